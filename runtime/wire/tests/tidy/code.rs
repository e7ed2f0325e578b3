//! Rust's text without its comments and the contents of its literals.
//!
//! Enough of a lexer to tell a word that the compiler reads from one in a comment or a string.

/// The same lines, with a space for each character of a comment or a literal.
pub(crate) fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = chars.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|i| chars.get(i));
        let in_word = before.is_some_and(|&c| is_word(c));
        let length = literal(rest, in_word);
        for &c in rest.iter().take(length) {
            out.push(if c == '\n' { c } else { ' ' });
        }
        if length == 0 {
            out.extend(rest.first());
        }
        at += length.max(1);
    }
    out
}

/// The words of one line.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the comment or literal is that `rest` begins with; 0 if it begins with neither.
fn literal(rest: &[char], in_word: bool) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().take_while(|&&c| c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r' | 'b' | 'c', ..] if !in_word => raw_string(rest),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        match tail {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while let Some(&c) = rest.get(at) {
        at += if c == '\\' { 2 } else { 1 };
        if c == quote {
            break;
        }
    }
    at.min(rest.len())
}

/// `r".."`, `br#".."#` and the like; 0 for a word that only begins with these letters.
fn raw_string(rest: &[char]) -> usize {
    let prefix = rest.iter().take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
    let is_raw = rest.iter().take(prefix).any(|&c| c == 'r');
    let hashes = rest.iter().skip(prefix).take_while(|&&c| c == '#').count();
    if !is_raw || prefix > 2 || rest.get(prefix + hashes) != Some(&'"') {
        return 0;
    }
    let start = prefix + hashes + 1;
    let mut end: Vec<char> = vec!['#'; hashes];
    end.insert(0, '"');
    let body = rest.get(start..).unwrap_or_default();
    let inside = body.windows(end.len()).position(|window| window == end).unwrap_or(body.len());
    (start + inside + end.len()).min(rest.len())
}

#[test]
fn comments_and_literals_become_spaces_and_lines_stay() {
    let text = "a /* b /* c */ d */ e // f\n'g' 'h i \"j\\\"k\" r#\"l\"m\"# n b\"o\" '\\'' p\n";
    let bare = bare(text);
    assert_eq!(words(&bare).collect::<Vec<_>>(), ["a", "e", "h", "i", "n", "b", "p"]);
    assert_eq!(bare.lines().count(), 2);
    assert_eq!(bare.len(), text.len());
}
