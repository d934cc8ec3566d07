//! Ugly files, small ones: what stands in their cells. Where nothing else is said, the values are those that
//! Python's `csv` module gives.

use super::*;

#[test]
fn quotes() {
    check(
        "quotes around everything",
        b"\"a\",\"b\"\n\"1\",\"x\"\n\"2\",\"y\"\n",
        &["a Int64, b Utf8", "1|x", "2|y"],
    );
    check(
        "quoted headers with delimiters and quotes",
        b"\"a,1\",\"b \"\"q\"\"\"\n1,2\n",
        &["a,1 Int64, b \"q\" Int64", "1|2"],
    );
    check("a header with a line break", b"\"a\nb\",c\n1,2\n", &["a", "b Int64, c Int64", "1|2"]);
    check(
        "quoted line breaks",
        b"a,b\n1,\"x\ny\"\n2,\"\n\n\"\n",
        &["a Int64, b Utf8", "1|x", "y", "2|", "", ""],
    );
    check("quoted delimiters", b"a,b\n1,\"x,y\"\n2,\",\"\n", &["a Int64, b Utf8", "1|x,y", "2|,"]);
    check(
        "doubled quotes",
        b"a,b\n1,\"\"\"x\"\"\"\n2,\"\"\"\"\n3,\"\"\n",
        &["a Int64, b Utf8", "1|\"x\"", "2|\"", "3|-"],
    );
    check(
        "a quote within a cell",
        b"a,b\n1,5\" wide\n2,x\"y\"z\n3,\"q\"\n",
        &["a Int64, b Utf8", "1|5\" wide", "2|x\"y\"z", "3|q"],
    );
    check("a space before a quote", b"a,b\n1, \"x\"\n2,\"y\"\n", &["a Int64, b Utf8", "1| \"x\"", "2|y"]);
    check_as(
        "a space after a quote",
        b"a,b\n1,\"x\" \n2,\"y\"\n3,\"z,w\"\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "2|y",
            "3|z,w",
            "! line 2: found text after the closing quote of a cell that begins here <- 1,\"x\" ",
        ],
    );
    check_as(
        "text after a closing quote",
        b"a,b\n1,\"x\"y\n2,\"z,w\"\n3,q\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "2|z,w",
            "3|q",
            "! line 2: found text after the closing quote of a cell that begins here <- 1,\"x\"y",
        ],
    );
    check_as(
        "text after a quote over two lines",
        b"a,b\n1,\"x\ny\"z,\"\n2,w\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "2|w",
            "! line 2: found text after the closing quote of a cell that begins here <- 1,\"x",
            "y\"z,\"",
        ],
    );
    check_as(
        "an escaped quote as C writes it",
        b"a,b\n1,\"x\\\"y\"\n2,\"z,w\"\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "2|z,w",
            "! line 2: found text after the closing quote of a cell that begins here <- 1,\"x\\\"y\"",
        ],
    );
    check_as(
        "an unclosed quote at the end",
        b"a,b\n1,x\n2,\"y\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &["a Int64, b Utf8", "1|x", "! line 3: the quote that opens a cell here is never closed <- 2,\"y"],
    );
    check_as(
        "an unclosed quote at the very end",
        b"a,b\n1,x\n2,\"",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &["a Int64, b Utf8", "1|x", "! line 3: the quote that opens a cell here is never closed <- 2,\""],
    );
    check_as(
        "an unclosed quote in the middle",
        b"a,b\n1,x\n2,\"y\n3,z\n4,w\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "1|x",
            "3|z",
            "4|w",
            "! line 3: the quote that opens a cell here is never closed <- 2,\"y",
        ],
    );
    check_as(
        "an unclosed quote that the next closes",
        b"a,b\n1,\"x\n2,\"y\n3,z\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "3|z",
            "! line 2: found text after the closing quote of a cell that begins here <- 1,\"x",
            "2,\"y",
        ],
    );
    check_as(
        "an unclosed quote in the header",
        b"\"a,b\n1,2\n3,4\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &["error: line 1: the quote that opens a cell here is never closed"],
    );
    check_as(
        "three quotes",
        b"a,b\n1,\"\"\"\n2,x\n",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &["a Int64, b Utf8", "2|x", "! line 2: the quote that opens a cell here is never closed <- 1,\"\"\""],
    );
    check(
        "quotes that are none",
        b"a\tb\n1\t\"x\" y\n2\t\"z\n3\tw\n",
        &["a Int64, b Utf8", "1|\"x\" y", "2|\"z", "3|w"],
    );
    check("single quotes", b"a,b\n1,'x'\n2,'y'\n", &["a Int64, b Utf8", "1|'x'", "2|'y'"]);
    check_as(
        "quotes turned off",
        b"a,b\n\"1\",\"x\"\n",
        &ReadOptions { quotes: Some(false), ..Default::default() },
        &["a Utf8, b Utf8", "\"1\"|\"x\""],
    );
}

#[test]
fn names() {
    check("duplicate names", b"a,b,a\n1,2,3\n", &["error: the header names `a` more than once"]);
    check_as(
        "duplicate empty names",
        b",,a\nx,y,1\n",
        &ReadOptions { header: Some(true), ..Default::default() },
        &["column_0 Utf8, column_1 Utf8, a Int64", "x|y|1"],
    );
    check("names that differ in spaces", b"a, a\n1,2\n", &["a Int64,  a Int64", "1|2"]);
    check(
        "a name like a given one",
        b"column_1,\n1,2\n",
        &["error: the header names `column_1` more than once"],
    );
}

#[test]
fn values() {
    check("spaces around values", b"a,b\n 1 , 2.5\n3,4 \n", &["a Int64, b Float64", "1|2.5", "3|4.0"]);
    check("spaces around texts stay", b"a,b\n1, x \n2,y\n", &["a Int64, b Utf8", "1| x ", "2|y"]);
    check("tabs around numbers", b"a,b\n\t1\t,2\n3,4\n", &["a Int64, b Int64", "1|2", "3|4"]);
    check("signs", b"a,b\n+1,-2\n-0,+0.5\n", &["a Int64, b Float64", "1|-2.0", "0|0.5"]);
    check(
        "huge integers",
        b"a,b\n9223372036854775807,1\n-9223372036854775808,2\n",
        &["a Int64, b Int64", "9223372036854775807|1", "-9223372036854775808|2"],
    );
    check(
        "integers beyond 64 bits",
        b"a,b\n9223372036854775808,1\n18446744073709551615,2\n",
        &["a Utf8, b Int64", "9223372036854775808|1", "18446744073709551615|2"],
    );
    check(
        "an integer beyond 64 bits in a number",
        b"a,b\n1.5,1\n99999999999999999999,2\n",
        &["a Utf8, b Int64", "1.5|1", "99999999999999999999|2"],
    );
    check_as(
        "an integer beyond 64 bits among integers",
        b"a,b\n1,1\n99999999999999999999,2\n",
        &ReadOptions { types: [("a".to_string(), ColumnType::Integer)].into(), ..Default::default() },
        &[
            "a Int64, b Int64",
            "1|1",
            "! line 3, column `a`: found \"99999999999999999999\", expected a whole number as in the rows sampled before <- 99999999999999999999,2",
        ],
    );
    check(
        "floats beyond any",
        b"a,b\n1e400,1\n-1e400,2\n1e-400,3\n",
        &["a Float64, b Int64", "inf|1", "-inf|2", "0.0|3"],
    );
    check(
        "forms of floats",
        b"a,b\n.5,1.\n5e-1,1E3\n-.5e+1,0.0\n",
        &["a Float64, b Float64", "0.5|1.0", "0.5|1000.0", "-5.0|0.0"],
    );
    check(
        "NaN and infinity",
        b"a,b\nNaN,inf\n1.5,-Infinity\n",
        &["a Float64, b Float64", "-|inf", "1.5|-inf"],
    );
    check("leading zeros are codes", b"a,b\n00123,1\n00456,2\n", &["a Utf8, b Int64", "00123|1", "00456|2"]);
    check("hexadecimal is text", b"a,b\n0x1F,1\n0x2A,2\n", &["a Utf8, b Int64", "0x1F|1", "0x2A|2"]);
    check(
        "thousands with commas in quotes",
        b"a,b\n\"1,234\",1\n\"5,678\",2\n",
        &["a Utf8, b Int64", "1,234|1", "5,678|2"],
    );
    check_as(
        "decimal commas",
        b"a;b\n3,14;1\n2,5;2\n",
        &ReadOptions { decimal_comma: true, ..Default::default() },
        &["a Float64, b Int64", "3.14|1", "2.5|2"],
    );
    check_as(
        "a point among decimal commas",
        b"a;b\n3,14;1\n2.5;2\n",
        &ReadOptions {
            decimal_comma: true,
            types: [("a".to_string(), ColumnType::Float)].into(),
            ..Default::default()
        },
        &[
            "a Float64, b Int64",
            "3.14|1",
            "! line 3, column `a`: found \"2.5\", expected a number with a decimal comma <- 2.5;2",
        ],
    );
    check("percent and money are text", b"a,b\n5%,$3\n6%,$4\n", &["a Utf8, b Utf8", "5%|$3", "6%|$4"]);
    check("only nulls", b"a,b\n,NA\n,null\n", &["a Utf8, b Utf8", "-|NA", "-|null"]);
    check(
        "nulls of all kinds",
        b"a,b\n1,x\nNA,NA\n\\N,\n?,?\n-,-\n",
        &["a Int64, b Utf8", "1|x", "-|NA", "-|-", "-|?", "-|-"],
    );
    check("booleans", b"a,b\ntrue,T\nFALSE,F\n,\n", &["a Boolean, b Utf8", "true|T", "false|F", "-|-"]);
    check("booleans and numbers", b"a,b\ntrue,1\n1,2\n", &["a Utf8, b Int64", "true|1", "1|2"]);
    check_as(
        "dates of several forms",
        b"a,b\n2020-01-31,1\n2020-02-30,2\n",
        &ReadOptions { types: [("a".to_string(), ColumnType::Time)].into(), ..Default::default() },
        &[
            "a Timestamp(µs), b Int64",
            "2020-01-31T00:00:00|1",
            "! line 3, column `a`: found \"2020-02-30\", expected a date or time such as 2011-01-31 or 2011-01-31T13:05:00Z <- 2020-02-30,2",
        ],
    );
    check(
        "dates with times",
        b"a,b\n2020-01-31T10:00:00Z,1\n2020-01-31 11:30,2\n",
        &["a Timestamp(µs), b Int64", "2020-01-31T10:00:00|1", "2020-01-31T11:30:00|2"],
    );
    check(
        "American dates are text",
        b"a,b\n01/31/2020,1\n02/28/2020,2\n",
        &["a Utf8, b Int64", "01/31/2020|1", "02/28/2020|2"],
    );
}

#[test]
fn what_is_no_table() {
    check_as(
        "comments",
        b"# x\na,b\n1,2\n#3,4\n5,#6\n#",
        &ReadOptions { comment: Some(b'#'), ..Default::default() },
        &["a Int64, b Utf8", "1|2", "5|#6"],
    );
    check_as(
        "only comments",
        b"# x\n# y\n",
        &ReadOptions { comment: Some(b'#'), ..Default::default() },
        &["error: the file is empty"],
    );
    check(
        "comments that aren't said to be",
        b"a,b\n1,2\n# 3\n4,5\n",
        &[
            "a Int64, b Int64",
            "1|2",
            "4|5",
            "! line 3: found 1 cell, expected 2 cells as in the first row <- # 3",
        ],
    );
    check("a list in each cell", b"a,b\n1,[1;2]\n2,[3]\n", &["a Int64, b Utf8", "1|[1;2]", "2|[3]"]);
    check(
        "JSON in quotes",
        b"a,b\n1,\"{\"\"k\"\": [1, 2]}\"\n2,{}\n",
        &["a Int64, b Utf8", "1|{\"k\": [1, 2]}", "2|{}"],
    );
    check("a formula", b"a,b\n1,=A1+B2\n2,@x\n", &["a Int64, b Utf8", "1|=A1+B2", "2|@x"]);
    check(
        "separators of other kinds",
        b"a,b\n1,x\x0by\n2,x\xe2\x80\xa8y\n3,\x1e\n",
        &["a Int64, b Utf8", "1|x\u{b}y", "2|x\u{2028}y", "3|\u{1e}"],
    );
    check(
        "a sep line of Excel",
        b"sep=;\na;b\n1;2\n3;4\n",
        &["sep= Utf8, column_1 Utf8", "a|b", "1|2", "3|4"],
    );
    check(
        "a title above the header",
        b"Report 2020\n\na,b\n1,2\n3,4\n5,6\n",
        &["Report 2020 Utf8", "a,b", "1,2", "3,4", "5,6"],
    );
    check(
        "a total below the rows",
        b"a,b\n1,2\n3,4\nTotal: 2 rows\n",
        &[
            "a Int64, b Int64",
            "1|2",
            "3|4",
            "! line 4: found 1 cell, expected 2 cells as in the first row <- Total: 2 rows",
        ],
    );
    check_as(
        "the header again",
        b"a,b\n1,2\na,b\n3,4\n",
        &ReadOptions { types: [("a".to_string(), ColumnType::Integer)].into(), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "1|2",
            "3|4",
            "! line 3, column `a`: found \"a\", expected a whole number <- a,b",
        ],
    );
    check("columns of one row", b"a,b\n1,2", &["a Int64, b Int64", "1|2"]);
    check(
        "a file cut within a cell",
        b"id,value\n1,2.5\n2,3.5\n3,",
        &["id Int64, value Float64", "1|2.5", "2|3.5", "3|-"],
    );
    check_as(
        "a file cut within a quoted cell",
        b"id,text\n1,\"a, b\"\n2,\"c, d\"\n3,\"e,",
        &ReadOptions { quotes: Some(true), ..Default::default() },
        &[
            "id Int64, text Utf8",
            "1|a, b",
            "2|c, d",
            "! line 4: the quote that opens a cell here is never closed <- 3,\"e,",
        ],
    );
}
