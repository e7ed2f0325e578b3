//! When messages that wait are a batch.

/// How large a batch may be, and how long one that is smaller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Messages.
    pub count_max: usize,
    /// Bytes of their bodies. One message alone may be larger.
    pub bytes_max: u64,
    /// For how many milliseconds a message waits for others.
    pub wait_ms: u64,
}

/// A message that may be delivered, as far as batches are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// From when on it could be delivered.
    pub visible_ms: u64,
    /// Whether it was delivered before: then it has waited already, and waits for no others.
    pub again: bool,
    /// Bytes of its body.
    pub bytes: u64,
}

/// What to do with the first of the messages that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// So many of them are a batch.
    Now(usize),
    /// They are one at this time, if no others come before.
    At(u64),
    /// There is none.
    Nothing,
}

/// How many of the messages that wait, in their order, are a batch now.
pub fn cut(waiting: &[Waiting], shape: Shape, now_ms: u64) -> Cut {
    let mut bytes = 0_u64;
    let fits = |message: &&Waiting| {
        bytes = bytes.saturating_add(message.bytes);
        bytes <= shape.bytes_max
    };
    let count = waiting.iter().take(shape.count_max.max(1)).take_while(fits).count();
    let count = count.max(1).min(waiting.len());
    let is_full = count == shape.count_max.max(1) || count < waiting.len();
    let due = waiting.iter().take(count).map(|message| match message.again {
        true => message.visible_ms,
        false => message.visible_ms.saturating_add(shape.wait_ms),
    });
    match due.min() {
        None => Cut::Nothing,
        Some(due_ms) if is_full || due_ms <= now_ms => Cut::Now(count),
        Some(due_ms) => Cut::At(due_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { count_max: 3, bytes_max: 100, wait_ms: 50 };

    fn fresh(visible_ms: u64) -> Waiting {
        Waiting { visible_ms, again: false, bytes: 10 }
    }

    #[test]
    fn a_batch_that_is_full_goes_at_once_and_another_waits_for_its_oldest() {
        assert_eq!(cut(&[], SHAPE, 100), Cut::Nothing);
        assert_eq!(cut(&[fresh(100), fresh(110)], SHAPE, 120), Cut::At(150));
        assert_eq!(cut(&[fresh(100), fresh(110)], SHAPE, 150), Cut::Now(2));
        assert_eq!(cut(&[fresh(100); 3], SHAPE, 100), Cut::Now(3));
        assert_eq!(cut(&[fresh(100); 9], SHAPE, 100), Cut::Now(3));
        assert_eq!(cut(&[fresh(100)], Shape { wait_ms: 0, ..SHAPE }, 100), Cut::Now(1));
    }

    #[test]
    fn a_message_that_comes_again_waits_for_no_others() {
        let again = Waiting { again: true, ..fresh(100) };
        assert_eq!(cut(&[fresh(90), again], SHAPE, 100), Cut::Now(2));
        assert_eq!(cut(&[again], SHAPE, 99), Cut::At(100));
    }

    #[test]
    fn bytes_end_a_batch_too_and_one_message_is_never_too_large_for_one() {
        let large = |bytes| Waiting { bytes, ..fresh(100) };
        assert_eq!(cut(&[large(60), large(60)], SHAPE, 100), Cut::Now(1));
        assert_eq!(cut(&[large(60), large(40)], SHAPE, 100), Cut::At(150));
        assert_eq!(cut(&[large(1_000)], SHAPE, 200), Cut::Now(1));
        assert_eq!(cut(&[large(1_000), large(1)], SHAPE, 100), Cut::Now(1));
        assert_eq!(cut(&[large(u64::MAX), large(u64::MAX)], SHAPE, 100), Cut::Now(1));
    }
}
