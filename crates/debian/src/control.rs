//! Paragraphs of fields: deb822(5), Debian Policy 5.1. The form of `control`, `Packages`, `InRelease` and `.sources`.
//!
//! Comments (`#`) are skipped, field names are compared without regard to case. OpenPGP armour is not known here.

use std::io::{self, BufRead};

/// One paragraph: fields in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// The value of a field: continuation lines are joined by newlines, each without its first space.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// Reads paragraph after paragraph, so that an index of any size passes through.
#[derive(Debug)]
pub struct Paragraphs<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Paragraphs<R> {
    /// Reads from `reader`, which need not be UTF-8 throughout: other bytes become U+FFFD.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
        }
    }

    fn read_paragraph(&mut self) -> io::Result<Option<Paragraph>> {
        let mut paragraph = Paragraph::default();
        loop {
            self.line.clear();
            if self.reader.read_until(b'\n', &mut self.line)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&self.line);
            let text = text.trim_end();
            if text.is_empty() {
                if paragraph.is_empty() {
                    continue;
                }
                break;
            }
            if text.starts_with('#') {
                continue;
            }
            if let Some(continuation) = text.strip_prefix([' ', '\t']) {
                if let Some((_, value)) = paragraph.fields.last_mut() {
                    value.push('\n');
                    value.push_str(continuation);
                }
            } else if let Some((name, value)) = text.split_once(':') {
                paragraph
                    .fields
                    .push((name.to_owned(), value.trim().to_owned()));
            }
        }
        Ok((!paragraph.is_empty()).then_some(paragraph))
    }
}

impl<R: BufRead> Iterator for Paragraphs<R> {
    type Item = io::Result<Paragraph>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_paragraph().transpose()
    }
}

/// The paragraphs of a text.
pub fn parse(text: &str) -> Vec<Paragraph> {
    // Reading from memory cannot fail.
    Paragraphs::new(text.as_bytes())
        .filter_map(Result::ok)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_fields_and_continuations() {
        let text =
            "\nPackage: a\nDescription: first\n second\n .\n# not this\ntag:x\n\n\nPackage: b\n";
        let paragraphs = parse(text);
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].get("description"), Some("first\nsecond\n."));
        assert_eq!(paragraphs[0].get("Tag"), Some("x"));
        assert_eq!(paragraphs[0].get("Version"), None);
        assert_eq!(paragraphs[1].get("Package"), Some("b"));
    }
}
