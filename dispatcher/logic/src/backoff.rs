//! How long to wait before what failed is tried again.

/// `first_ms`, doubled `times` times, but no more than `ms_max`.
pub fn doubled_ms(first_ms: u64, times: u32, ms_max: u64) -> u64 {
    2_u64.saturating_pow(times).saturating_mul(first_ms).min(ms_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_doubles_the_wait_up_to_its_bound() {
        let waits: Vec<u64> = (0..5).map(|times| doubled_ms(2_000, times, 20_000)).collect();
        assert_eq!(waits, [2_000, 4_000, 8_000, 16_000, 20_000]);
        assert_eq!(doubled_ms(1, u32::MAX, 300_000), 300_000);
        assert_eq!(doubled_ms(0, 63, 1), 0);
    }
}
