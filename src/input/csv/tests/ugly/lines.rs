//! Ugly files, small ones: how they are cut into lines and cells. Where nothing else is said, the values are those that
//! Python's `csv` module gives.

use super::*;

#[test]
fn files_of_almost_nothing_and_line_ends() {
    check("empty file", b"", &["error: the file is empty"]);
    check("one byte", b"x", &["x Utf8"]);
    check("only a line end", b"\n", &["error: the file is empty"]);
    check("only blank lines", b"\r\n\n\r\n", &["error: the file is empty"]);
    check("only a mark", b"\xef\xbb\xbf", &["error: the file is empty"]);
    check("only spaces", b"   ", &["    Utf8"]);
    check("only a header", b"a,b\n", &["a Utf8, b Utf8"]);
    check("only a header without line end", b"a,b", &["a Utf8, b Utf8"]);
    check("a header behind a mark", b"\xef\xbb\xbfa,b\n1,2\n", &["a Int64, b Int64", "1|2"]);
    check("a mark before a quote", b"\xef\xbb\xbf\"a\",b\n1,2\n", &["a Int64, b Int64", "1|2"]);
    check("one column", b"a\n1\n2\n", &["a Int64", "1", "2"]);
    check("one column of texts", b"name\nx\ny z\n", &["name Utf8", "x", "y z"]);
    check("one column with blank lines", b"a\n1\n\n2\n\n\n3", &["a Int64", "1", "2", "3"]);
    check("one column of quoted blanks", b"a\n\"\"\n1\n", &["a Int64", "-", "1"]);
    check("no header", b"1,2\n3,4\n", &["column_0 Int64, column_1 Int64", "1|2", "3|4"]);
    check("no last line end", b"a,b\n1,2", &["a Int64, b Int64", "1|2"]);
    check("a last line of a delimiter", b"a,b\n1,2\n,", &["a Int64, b Int64", "1|2", "-|-"]);
    check("CRLF", b"a,b\r\n1,2\r\n3,4\r\n", &["a Int64, b Int64", "1|2", "3|4"]);
    check("mixed line ends", b"a,b\r\n1,2\n3,4\r\n5,6\n", &["a Int64, b Int64", "1|2", "3|4", "5|6"]);
    check("CR only", b"a,b\r1,2\r3,4\r", &["error: the lines end with a carriage return only"]);
    check("CR within mixed line ends", b"a,b\n1,x\ry\n2,z\n", &["a Int64, b Utf8", "1|x\ry", "2|z"]);
    check("two CRs before LF", b"a,b\n1,x\r\r\n2,y\r\n", &["a Int64, b Utf8", "1|x\r", "2|y"]);
    check("a CR in quotes", b"a,b\n1,\"x\ry\"\n2,\"z\r\n\"\r\n", &["a Int64, b Utf8", "1|x\ry", "2|z\r", ""]);
    check("a line of CR", b"a,b\n1,2\n\r\n3,4\n", &["a Int64, b Int64", "1|2", "3|4"]);
    check("LF CR line ends", b"a,b\n\r1,2\n\r3,4\n\r", &["a Int64, b Int64", "1|2", "3|4"]);
}

#[test]
fn numbers_of_cells_and_delimiters() {
    check(
        "too few cells",
        b"a,b,c\n1,2,3\n4,5\n6,7,8\n",
        &[
            "a Int64, b Int64, c Int64",
            "1|2|3",
            "6|7|8",
            "! line 3: found 2 cells, expected 3 cells as in the first row <- 4,5",
        ],
    );
    check(
        "too many cells",
        b"a,b\n1,2\n3,4,5\n6,7\n",
        &[
            "a Int64, b Int64",
            "1|2",
            "6|7",
            "! line 3: found 3 cells, expected 2 cells as in the first row <- 3,4,5",
        ],
    );
    check(
        "an empty line of spaces",
        b"a,b\n1,2\n  \n3,4\n",
        &[
            "a Int64, b Int64",
            "1|2",
            "3|4",
            "! line 3: found 1 cell, expected 2 cells as in the first row <-   ",
        ],
    );
    check(
        "trailing delimiters in all lines",
        b"a,b,\n1,2,\n3,4,\n",
        &["a Int64, b Int64, column_2 Utf8", "1|2|-", "3|4|-"],
    );
    check(
        "trailing delimiters in the rows only",
        b"a,b\n1,2,\n3,4,\n",
        &[
            "a Utf8, b Utf8",
            "! line 2: found 3 cells, expected 2 cells as in the first row <- 1,2,",
            "! line 3: found 3 cells, expected 2 cells as in the first row <- 3,4,",
        ],
    );
    check(
        "a trailing delimiter in one row",
        b"a,b\n1,2\n3,4,\n5,6\n",
        &[
            "a Int64, b Int64",
            "1|2",
            "5|6",
            "! line 3: found 3 cells, expected 2 cells as in the first row <- 3,4,",
        ],
    );
    check(
        "leading delimiters",
        b",a,b\n0,1,2\n1,3,4\n",
        &["column_0 Int64, a Int64, b Int64", "0|1|2", "1|3|4"],
    );
    check(
        "only delimiters",
        b",,\n,,\n,,\n",
        &["column_0 Utf8, column_1 Utf8, column_2 Utf8", "-|-|-", "-|-|-"],
    );
    check(
        "delimiter soup",
        b"a,b;c\td|e\n1,2;3\t4|5\n6,7;8\t9|0\n",
        &["a Int64, b;c\td|e Utf8", "1|2;3\t4|5", "6|7;8\t9|0"],
    );
    check(
        "semicolons with commas in texts",
        b"a;b\n1;x, y\n2;z, w, v\n",
        &["a Int64, b Utf8", "1|x, y", "2|z, w, v"],
    );
    check("tabs", b"a\tb\n1\tx y\n2\t\n", &["a Int64, b Utf8", "1|x y", "2|-"]);
    check("bars", b"a|b\n1|x\n|y\n", &["a Int64, b Utf8", "1|x", "-|y"]);
    check("spaces as delimiters aren't guessed", b"a b\n1 2\n3 4\n", &["a b Utf8", "1 2", "3 4"]);
    check_as(
        "spaces as delimiters if said so",
        b"a b\n1 2\n3  4\n",
        &ReadOptions { delimiter: Some(b' '), ..Default::default() },
        &["a Int64, b Int64", "1|2", "! line 3: found 3 cells, expected 2 cells as in the first row <- 3  4"],
    );
    check_as(
        "a NUL as delimiter",
        b"a\0b\n1\x002\n",
        &ReadOptions { delimiter: Some(0), ..Default::default() },
        &["a Int64, b Int64", "1|2"],
    );
}

#[test]
fn bytes_that_are_no_text() {
    check("NUL bytes in texts", b"name,b\nx\0y,1\n\0,2\n", &["name Utf8, b Int64", "x\0y|1", "\0|2"]);
    check_as(
        "NUL bytes in numbers",
        b"number,b\n1,1\n2,1\n1\x002,1\n",
        &ReadOptions {
            header: Some(true),
            types: [("number".to_string(), ColumnType::Integer)].into(),
            ..Default::default()
        },
        &[
            "number Int64, b Int64",
            "1|1",
            "2|1",
            "! line 4, column `number`: found \"1\\02\", expected a whole number <- 1\u{0}2,1",
        ],
    );
    check(
        "invalid UTF-8 in a text",
        b"a,b\n1,x\xff\n2,\xc3\xa9\n3,\xed\xa0\x80\n",
        &[
            "a Int64, b Utf8",
            "2|é",
            "! line 2, column `b`: found \"x\u{fffd}\", which is not valid UTF-8 <- 1,x\u{fffd}",
            "! line 4, column `b`: found \"\u{fffd}\u{fffd}\u{fffd}\", which is not valid UTF-8 <- 3,\u{fffd}\u{fffd}\u{fffd}",
        ],
    );
    check_as(
        "invalid UTF-8 in a number",
        b"a,b\n1,x\n\xb2,y\n",
        &ReadOptions { types: [("a".to_string(), ColumnType::Integer)].into(), ..Default::default() },
        &[
            "a Int64, b Utf8",
            "1|x",
            "! line 3, column `a`: found \"\u{fffd}\", expected a whole number <- \u{fffd},y",
        ],
    );
    check(
        "invalid UTF-8 in the header",
        b"a,\xff\n1,2\n",
        &["error: the header's \"\u{fffd}\" is not valid UTF-8"],
    );
    check(
        "Latin-1",
        b"name,b\nM\xfcller,1\nMeier,2\n",
        &[
            "name Utf8, b Int64",
            "Meier|2",
            "! line 2, column `name`: found \"M\u{fffd}ller\", which is not valid UTF-8 <- M\u{fffd}ller,1",
        ],
    );
    check(
        "UTF-16 little end first",
        b"\xff\xfea\0,\0b\0\n\0",
        &["error: the file is UTF-16, to judge by its first bytes"],
    );
    check(
        "UTF-16 big end first",
        b"\xfe\xff\0a\0,\0b\0\n",
        &["error: the file is UTF-16, to judge by its first bytes"],
    );
    check(
        "other scripts",
        b"\xe5\x90\x8d,\xd0\xb1\n\xe6\x9d\xb1,1\n\xf0\x9f\x98\x80,2\n",
        &["名 Utf8, б Int64", "東|1", "😀|2"],
    );
}
