//! The grammar of filters.

use super::filter::{Comparison, Literal, Node, Side};
use super::words::Word;

/// A parser by recursive descent: or, and, not, comparison.
pub(super) struct Parser<'a> {
    words: &'a [Word],
    at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(words: &'a [Word]) -> Self {
        Parser { words, at: 0 }
    }

    /// The word that comes next.
    pub(super) fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.at)
    }

    fn next(&mut self) -> Result<&'a Word, String> {
        let word = self.peek().ok_or("it ends too early")?;
        self.at += 1;
        Ok(word)
    }

    /// Takes the next word if it is this keyword.
    fn keyword(&mut self, keyword: &str) -> bool {
        let is = matches!(self.peek(), Some(Word::Name(name)) if name.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Some(Word::Sign(found)) if *found == sign);
        self.at += usize::from(is);
        is
    }

    /// The whole of a condition; what can't be understood is said.
    pub(super) fn either(&mut self) -> Result<Node, String> {
        let mut node = self.both()?;
        while self.keyword("or") {
            node = Node::Or(Box::new(node), Box::new(self.both()?));
        }
        Ok(node)
    }

    fn both(&mut self) -> Result<Node, String> {
        let mut node = self.negated()?;
        while self.keyword("and") {
            node = Node::And(Box::new(node), Box::new(self.negated()?));
        }
        Ok(node)
    }

    fn negated(&mut self) -> Result<Node, String> {
        if self.keyword("not") {
            return Ok(Node::Not(Box::new(self.negated()?)));
        }
        if self.sign("(") {
            let node = self.either()?;
            return if self.sign(")") { Ok(node) } else { Err("a bracket is not closed".to_string()) };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Node, String> {
        let left = self.side()?;
        if let Side::Column(column) = &left {
            if self.keyword("is") {
                let negated = self.keyword("not");
                if !self.keyword("null") {
                    return Err("expected `null` after `is`".to_string());
                }
                let node = Node::Null(column.clone());
                return Ok(if negated { Node::Not(Box::new(node)) } else { node });
            }
            let before = self.at;
            let negated = self.keyword("not");
            if self.keyword("in") {
                let node = Node::In(column.clone(), self.list()?);
                return Ok(if negated { Node::Not(Box::new(node)) } else { node });
            }
            self.at = before;
        }
        let comparison = match self.peek() {
            Some(Word::Sign("=" | "==")) => Comparison::Equal,
            Some(Word::Sign("!=" | "<>")) => Comparison::NotEqual,
            Some(Word::Sign("<")) => Comparison::Less,
            Some(Word::Sign("<=")) => Comparison::LessOrEqual,
            Some(Word::Sign(">")) => Comparison::Greater,
            Some(Word::Sign(">=")) => Comparison::GreaterOrEqual,
            found => match (left, found) {
                (Side::Column(column), _) => return Ok(Node::Flag(column)),
                (Side::Literal(_), Some(word)) => return Err(format!("found {word}, expected a comparison")),
                (Side::Literal(_), None) => return Err("it ends too early".to_string()),
            },
        };
        self.at += 1;
        Ok(Node::Compare(left, comparison, self.side()?))
    }

    fn side(&mut self) -> Result<Side, String> {
        Ok(match self.next()? {
            Word::Name(name) if name.eq_ignore_ascii_case("true") => Side::Literal(Literal::Boolean(true)),
            Word::Name(name) if name.eq_ignore_ascii_case("false") => Side::Literal(Literal::Boolean(false)),
            Word::Name(name) | Word::Quoted(name) => Side::Column(name.clone()),
            Word::Number(number) => Side::Literal(Literal::Number(number.clone())),
            Word::Text(text) => Side::Literal(Literal::Text(text.clone())),
            sign @ Word::Sign(_) => return Err(format!("found {sign}, expected a column or a value")),
        })
    }

    fn list(&mut self) -> Result<Vec<Literal>, String> {
        if !self.sign("(") {
            return Err("expected a list in brackets after `in`".to_string());
        }
        let mut literals = Vec::new();
        loop {
            match self.side()? {
                Side::Literal(literal) => literals.push(literal),
                Side::Column(name) => {
                    return Err(format!("found the name {name} in a list; write '{name}' if it is a text"));
                }
            }
            if self.sign(")") {
                return Ok(literals);
            }
            if !self.sign(",") {
                return Err("expected a comma or a closing bracket in a list".to_string());
            }
        }
    }
}
