//! Reads headers.
//! Quickly.

use std::collections::HashMap;
use crate::io::{self, Read};

/// A header of a file.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    name: &'a str,
}

pub enum Kind { A, B }

pub trait Source {
    /// Next byte.
    fn next(&mut self) -> u8;

    fn skip(&mut self) {
        self.next();
    }
}

impl<'a> Header<'a> {
    /// Parses a header.
    ///
    /// Fails on nothing.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, io::Error> {
        // "fn fake() {}"
        let name = split(text).next().unwrap();
        Ok(Header { name })
    }
}

impl<'a> Source for Header<'a> {
    fn next(&mut self) -> u8 { 0 }
}

macro_rules! twice {
    ($e:expr) => { $e + $e };
}

mod inner {
    pub fn hidden() -> &'static str { "x" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        assert_eq!(Header::parse("a").unwrap().name, "a");
    }
}
