//! Text for a shell, as POSIX has it ("Shell Command Language", 2.2, Quoting).

/// A text as one word.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_word() {
        assert_eq!(quoted("/a b'; reboot"), "'/a b'\\''; reboot'");
        // Read by a shell.
        let texts: Vec<String> = (' '..='~').map(|c| format!("{c}a{c}{c} '{c}")).collect();
        let words: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf '%s\\n' {}", words.join(" "))])
            .output()
            .unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        assert_eq!(read.lines().collect::<Vec<_>>(), texts);
    }
}
