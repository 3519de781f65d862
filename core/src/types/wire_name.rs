//! Names of fields on the wire (`codec.md` section 3).
//!
//! They are here because two fields of one message may not share one, which declarations check.

/// Turns the contract name of a field into its wire name: snake case without trailing underscores.
///
/// The name must be NFC already. The result may be empty, which declarations refuse.
pub fn wire_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len().saturating_add(4));
    let mut previous: Option<char> = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_uppercase() {
            let next_lower = chars.peek().is_some_and(|next| next.is_lowercase());
            let starts_word =
                previous.is_some_and(|p| p.is_lowercase() || p.is_ascii_digit() || (p.is_uppercase() && next_lower));
            if starts_word && !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
        previous = Some(c);
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

#[cfg(test)]
mod tests {
    use super::wire_name;

    #[test]
    fn names_become_snake_case() {
        let cases = [
            ("userName", "user_name"),
            ("isOK", "is_ok"),
            ("HTTPServer", "http_server"),
            ("x2Y", "x2_y"),
            ("class_", "class"),
            ("_", ""),
        ];
        for (name, wire) in cases {
            assert_eq!(wire_name(name), wire);
        }
    }
}
