//! Cron expressions in Cloudflare's dialect, and the times that they mean.
//!
//! Five fields in UTC: minute, hour, day of the month, month, day of the week. Weekdays are 1-7
//! from Sunday. If both fields of days are restricted, a day that either takes is taken. The
//! grammar is that of `saffron`, the crate that Cloudflare itself reads them with; what they mean
//! is worked out here, month by month, as sets of days. Ranges may run backwards, over the end.

use chrono::{DateTime, Datelike, NaiveDate};
use saffron::parse::{
    CronExpr, DayOfMonthExpr, DayOfWeekExpr, Expr, ExprValue, Exprs, Last, OrsExpr,
};

/// Months that are searched: no day is further away than the 40 years between two 29ths of
/// February on one weekday.
const MONTH_COUNT: u32 = 41 * 12;
/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;
/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// What each field takes.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, `L`, `LW`, `L-3` or `15W`"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "1-7 from Sunday, SUN-SAT, `L`, `6L` or `6#2`"),
];

/// Why an expression means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are more or fewer than five fields.
    #[error(
        "a cron has five fields: minute, hour, day of the month, month and day of the week; \
         there are {0}"
    )]
    Fields(usize),
    /// A field means nothing.
    #[error(
        "the {name} is `{text}`: expected `*`, {takes}, also in lists (`,`), ranges (`-`) and \
         steps (`/`)"
    )]
    Field {
        /// Which.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
        /// What it is.
        text: String,
    },
    /// The fields are not set apart from each other by spaces alone.
    #[error("there is more than five fields and the spaces between them")]
    Spaces,
    /// The day is in no month.
    #[error("it never comes: no month that it takes has such a day")]
    Never,
}

/// The times that an expression means. Sets are bits, the lowest for the least value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: Days,
    months: u64,
    weekdays: Weekdays,
}

/// Days of a month, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    Any,
    Of(u64),
    /// So many before the last.
    Last(u32),
    /// The weekday that is nearest to it.
    Nearest(u32),
    /// The same, of so many before the last.
    NearestToLast(u32),
}

/// Days of a week, counted from 0 for Sunday.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Weekdays {
    Any,
    Of(u64),
    /// The last such day of the month.
    Last(u32),
    /// The so many-th, counted from 1.
    Nth(u32, u32),
}

/// One month of one year.
#[derive(Clone, Copy)]
struct Month {
    year: i32,
    /// From 0.
    month: u32,
    /// The weekday of its first day.
    first: u32,
    length: u32,
}

impl Schedule {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let five = <[&str; 5]>::try_from(fields).map_err(|fields| Error::Fields(fields.len()))?;
        for ((name, takes), (place, field)) in FIELDS.into_iter().zip(five.iter().enumerate()) {
            if !is_field(place, field) {
                return Err(Error::Field { name, takes, text: (*field).into() });
            }
        }
        let parsed = text.parse::<CronExpr>().ok().and_then(compile);
        let schedule = parsed.ok_or(Error::Spaces)?;
        if schedule.next_after(0).is_none() {
            return Err(Error::Never);
        }
        Ok(schedule)
    }

    /// The first time after `ms`, in milliseconds since 1970; absent if there is none.
    pub fn next_after(&self, ms: u64) -> Option<u64> {
        let minute = (ms / MINUTE_MS).checked_add(1)?;
        let start = DateTime::from_timestamp(i64::try_from(minute.checked_mul(60)?).ok()?, 0)?;
        let today = start.date_naive();
        let mut of_day = u32::try_from(minute % u64::from(DAY_MINUTES)).ok()?;
        let mut month = Month::of(today.year(), today.month0())?;
        let mut from = today.day0();
        for _ in 0..MONTH_COUNT {
            let mut days = self.days(month) >> from << from;
            while days != 0 {
                let day = days.trailing_zeros();
                days &= days - 1;
                // Any time of a later day is one to come.
                let earliest = if day == from { of_day } else { 0 };
                if let Some(minute) = self.time_from(earliest) {
                    return month.time_ms(day, minute);
                }
            }
            month = month.next()?;
            (from, of_day) = (0, 0);
        }
        None
    }

    /// The first time of a day from that minute of it on.
    fn time_from(&self, minute: u32) -> Option<u32> {
        let takes = |minute: &u32| {
            self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1
        };
        (minute..DAY_MINUTES).find(takes)
    }

    /// The days of a month.
    fn days(&self, month: Month) -> u64 {
        if self.months >> month.month & 1 == 0 {
            return 0;
        }
        match (self.days.of(month), self.weekdays.of(month)) {
            (None, None) => month.all(),
            (Some(days), None) | (None, Some(days)) => days,
            (Some(days), Some(weekdays)) => days | weekdays,
        }
    }
}

impl Days {
    /// Which of a month; absent if the field says nothing.
    fn of(&self, month: Month) -> Option<u64> {
        let last = |before: u32| (month.length - 1).checked_sub(before);
        let day = match *self {
            Self::Any => return None,
            Self::Of(days) => return Some(days & month.all()),
            Self::Last(before) => last(before),
            Self::Nearest(day) => (day < month.length).then(|| month.nearest(day)),
            Self::NearestToLast(before) => last(before).map(|day| month.nearest(day)),
        };
        Some(day.map_or(0, |day| 1 << day))
    }
}

impl Weekdays {
    /// Which days of a month; absent if the field says nothing.
    fn of(&self, month: Month) -> Option<u64> {
        let takes = |day: u32| match *self {
            Self::Any => true,
            Self::Of(weekdays) => weekdays >> month.weekday(day) & 1 == 1,
            Self::Last(weekday) => month.weekday(day) == weekday && day + 7 >= month.length,
            Self::Nth(weekday, nth) => month.weekday(day) == weekday && day / 7 + 1 == nth,
        };
        let days = (0..month.length).filter(|day| takes(*day)).fold(0, |days, day| days | 1 << day);
        (*self != Self::Any).then_some(days)
    }
}

impl Month {
    fn of(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month + 1, 1)?;
        let length = u32::from(first.num_days_in_month());
        Some(Self { year, month, first: first.weekday().num_days_from_sunday(), length })
    }

    fn next(self) -> Option<Self> {
        match self.month {
            11 => Self::of(self.year.checked_add(1)?, 0),
            month => Self::of(self.year, month + 1),
        }
    }

    fn all(self) -> u64 {
        (1 << self.length) - 1
    }

    fn weekday(self, day: u32) -> u32 {
        (self.first + day) % 7
    }

    /// The day from Monday to Friday that is nearest to one, in the same month.
    fn nearest(self, day: u32) -> u32 {
        match self.weekday(day) {
            0 if day + 1 == self.length => day - 2,
            0 => day + 1,
            6 if day == 0 => 2,
            6 => day - 1,
            _ => day,
        }
    }

    fn time_ms(self, day: u32, minute: u32) -> Option<u64> {
        let date = NaiveDate::from_ymd_opt(self.year, self.month + 1, day + 1)?;
        let time = date.and_hms_opt(minute / 60, minute % 60, 0)?.and_utc();
        time.timestamp_millis().try_into().ok()
    }
}

/// Whether a field means something where it stands.
fn is_field(place: usize, field: &str) -> bool {
    let mut five = ["*"; 5];
    five[place] = field;
    // The grammar takes a `*` in a list for the least value alone.
    let stars = field.split(',').filter(|item| item.starts_with('*') && !item.starts_with("*/"));
    (field == "*" || stars.count() == 0) && five.join(" ").parse::<CronExpr>().is_ok()
}

/// Absent if the grammar says something that is not known here.
fn compile(expression: CronExpr) -> Option<Schedule> {
    let days = match expression.doms {
        DayOfMonthExpr::All => Days::Any,
        DayOfMonthExpr::Many(items) => Days::Of(set(&items)?),
        DayOfMonthExpr::ClosestWeekday(day) => Days::Nearest(u8::from(day).into()),
        DayOfMonthExpr::Last(Last::Day) => Days::Last(0),
        DayOfMonthExpr::Last(Last::Offset(before)) => Days::Last(u8::from(before).into()),
        DayOfMonthExpr::Last(Last::Weekday) => Days::NearestToLast(0),
        DayOfMonthExpr::Last(Last::OffsetWeekday(before)) => {
            Days::NearestToLast(u8::from(before).into())
        }
        _ => return None,
    };
    let weekdays = match expression.dows {
        DayOfWeekExpr::All => Weekdays::Any,
        DayOfWeekExpr::Many(items) => Weekdays::Of(set(&items)?),
        DayOfWeekExpr::Last(weekday) => Weekdays::Last(u8::from(weekday).into()),
        DayOfWeekExpr::Nth(weekday, nth) => {
            Weekdays::Nth(u8::from(weekday).into(), u8::from(nth).into())
        }
        _ => return None,
    };
    let minutes = set_of_all(&expression.minutes)?;
    let hours = set_of_all(&expression.hours)?;
    let months = set_of_all(&expression.months)?;
    Some(Schedule { minutes, hours, days, months, weekdays })
}

fn set_of_all<E: ExprValue + Copy + Into<u8>>(field: &Expr<E>) -> Option<u64> {
    match field {
        Expr::All => Some(u64::MAX),
        Expr::Many(items) => set(items),
        _ => None,
    }
}

/// The values of a list, each less the least that its field takes.
fn set<E: ExprValue + Copy + Into<u8>>(items: &Exprs<E>) -> Option<u64> {
    items.iter().try_fold(0, |set, item| {
        let (start, end, step) = match *item {
            OrsExpr::One(value) => (value, value, 1),
            OrsExpr::Range(start, end) => (start, end, 1),
            OrsExpr::Step { start, end, step } => (start, end, u8::from(step).max(1)),
            _ => return None,
        };
        let (start, end): (u8, u8) = (start.into(), end.into());
        // One that runs backwards goes on at the least value.
        let most = if start <= end { end } else { E::max().into() };
        let rest = (start > end).then_some(0..=end);
        let values = (start..=most).chain(rest.into_iter().flatten()).step_by(step.into());
        Some(values.fold(set, |set, value| set | 1 << value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A time such as `2026-02-28 23:59`, in milliseconds since 1970.
    fn ms(text: &str) -> u64 {
        let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time");
        time.and_utc().timestamp_millis().try_into().expect("after 1970")
    }

    fn text(ms: u64) -> String {
        let time = DateTime::from_timestamp_millis(ms.try_into().expect("a time"));
        time.expect("a time").format("%Y-%m-%d %H:%M").to_string()
    }

    /// The first times of an expression after one.
    fn times(expression: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression).expect(expression);
        let next = |ms: &u64| schedule.next_after(*ms);
        std::iter::successors(Some(ms(after)), next).skip(1).take(count).map(text).collect()
    }

    /// 2026 begins on a Thursday; the days of January that an expression takes.
    fn january(days: &str) -> Vec<u32> {
        let expression = format!("0 0 {days}");
        let schedule = Schedule::parse(&expression).expect(days);
        let month = Month::of(2026, 0).expect("a month");
        (0..31).filter(|day| schedule.days(month) >> day & 1 == 1).map(|day| day + 1).collect()
    }

    #[test]
    fn minutes_and_hours_come_in_lists_ranges_and_steps() {
        let first = |expression: &str, count| times(expression, "2026-01-01 10:07", count);
        assert_eq!(first("* * * * *", 2), ["2026-01-01 10:08", "2026-01-01 10:09"]);
        assert_eq!(first("*/30 * * * *", 2), ["2026-01-01 10:30", "2026-01-01 11:00"]);
        assert_eq!(first("7,9-10 10 * * *", 3)[..2], ["2026-01-01 10:09", "2026-01-01 10:10"]);
        assert_eq!(first("7 10 * * *", 1), ["2026-01-02 10:07"]);
        assert_eq!(
            first("0 22-1/2 * * *", 3),
            ["2026-01-01 22:00", "2026-01-02 00:00", "2026-01-02 22:00"]
        );
        assert_eq!(first("50/5 0 * * *", 3)[..2], ["2026-01-02 00:50", "2026-01-02 00:55"]);
    }

    #[test]
    fn times_within_a_minute_are_rounded_to_the_next() {
        let every = Schedule::parse("* * * * *").expect("parses");
        assert_eq!(every.next_after(0), Some(60_000));
        assert_eq!(every.next_after(59_999), Some(60_000));
        assert_eq!(every.next_after(60_000), Some(120_000));
    }

    #[test]
    fn days_of_the_month_are_numbers_or_counted_from_its_end_or_weekdays_nearby() {
        assert_eq!(january("1,15-16 * *"), [1, 15, 16]);
        assert_eq!(january("29-2 * *"), [1, 2, 29, 30, 31]);
        assert_eq!(january("*/10 * *"), [1, 11, 21, 31]);
        assert_eq!(january("L * *"), [31]);
        assert_eq!(january("L-3 * *"), [28]);
        // The 31st is a Saturday.
        assert_eq!(january("LW * *"), [30]);
        assert_eq!(january("L-6W * *"), [26], "the 25th is a Sunday");
        assert_eq!(january("3W * *"), [2], "the 3rd is a Saturday");
        assert_eq!(january("4W * *"), [5], "the 4th is a Sunday");
        assert_eq!(january("5W * *"), [5]);
        let at = |expression: &str| times(expression, "2026-07-31 12:00", 1);
        assert_eq!(at("0 0 1W 8 *"), ["2026-08-03 00:00"], "the 1st is a Saturday");
        assert_eq!(at("0 0 31W 5 *"), ["2027-05-31 00:00"]);
        assert_eq!(at("59 23 LW * *"), ["2026-07-31 23:59"]);
        assert_eq!(times("0 0 31W 5 *", "2026-01-01 00:00", 1), ["2026-05-29 00:00"]);
    }

    #[test]
    fn weekdays_are_counted_from_sunday_as_one() {
        assert_eq!(january("* * 1"), [4, 11, 18, 25]);
        assert_eq!(january("* * SUN"), [4, 11, 18, 25]);
        assert_eq!(january("* * 7"), [3, 10, 17, 24, 31]);
        assert_eq!(january("* * L"), [3, 10, 17, 24, 31]);
        assert_eq!(january("* * FRI-sun/2"), [2, 4, 9, 11, 16, 18, 23, 25, 30]);
        assert_eq!(january("* * 6L"), [30]);
        assert_eq!(january("* * 6#2"), [9]);
        assert_eq!(january("* * THU#5"), [29]);
        assert_eq!(january("* * MON#5"), [] as [u32; 0]);
    }

    #[test]
    fn a_day_is_taken_that_either_field_takes_if_both_say_something() {
        assert_eq!(january("15 * 1"), [4, 11, 15, 18, 25]);
        assert_eq!(january("* * 1"), [4, 11, 18, 25]);
        assert_eq!(january("15 * *"), [15]);
        assert_eq!(january("*/30 * 1"), [1, 4, 11, 18, 25, 31]);
    }

    #[test]
    fn months_are_numbers_or_names_and_rare_days_are_found() {
        let from = |expression: &str, count| times(expression, "2026-01-01 00:00", count);
        assert_eq!(from("0 0 1 JAN,jul *", 2), ["2026-07-01 00:00", "2027-01-01 00:00"]);
        assert_eq!(from("0 0 1 11-2/2 *", 3)[..2], ["2026-11-01 00:00", "2027-01-01 00:00"]);
        assert_eq!(from("0 0 29 2 *", 2), ["2028-02-29 00:00", "2032-02-29 00:00"]);
        assert_eq!(from("0 0 * 2 FRI#5", 1), ["2036-02-29 00:00"]);
        // 2100 is no leap year: the longest wait there is.
        assert_eq!(times("0 0 * 2 1#5", "2088-03-01 00:00", 1), ["2128-02-29 00:00"]);
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_field() {
        let refused = |text: &str| Schedule::parse(text).expect_err(text);
        assert_eq!(refused(""), Error::Fields(0));
        assert_eq!(refused("* * * *"), Error::Fields(4));
        assert_eq!(refused("0 * * * * *"), Error::Fields(6));
        assert_eq!(refused("@daily"), Error::Fields(1));
        for (place, field) in [
            (0, "60"),
            (0, "-1"),
            (0, "1,"),
            (0, "1,*"),
            (0, "*-5"),
            (0, "*/0"),
            (1, "24"),
            (1, "L"),
            (2, "0"),
            (2, "32"),
            (2, "?"),
            (2, "L-31"),
            (2, "1#2"),
            (3, "13"),
            (3, "JANUARY"),
            (4, "0"),
            (4, "8"),
            (4, "6#6"),
            (4, "MONDAY"),
            (4, "\u{661}"),
        ] {
            let mut fields = ["*"; 5];
            fields[place] = field;
            let Error::Field { name, text, .. } = refused(&fields.join(" ")) else {
                panic!("{field} is refused as a field");
            };
            assert_eq!((name, text.as_str()), (FIELDS[place].0, field));
        }
        assert_eq!(refused("0 0 30 2 *"), Error::Never);
        assert_eq!(refused("0 0 31 4,6,9,11 *"), Error::Never);
        assert_eq!(refused("0 0 L-30 2,4 *"), Error::Never);
        assert_eq!(refused(" * * * * *"), Error::Spaces);
        assert_eq!(refused("*\n* * * *"), Error::Spaces);
    }

    proptest! {
        /// Nothing that a tenant writes can end a process: neither what parses nor what does not.
        #[test]
        fn no_text_is_a_panic(
            fields in prop::collection::vec("[0-9*/,LW#-]{1,7}|[A-Z]{3}|.{0,4}", 3..7),
            from in any::<u64>(),
        ) {
            if let Ok(schedule) = Schedule::parse(&fields.join(" ")) {
                schedule.next_after(from);
            }
        }

        /// A next time is later, and nothing that the expression takes lies between.
        #[test]
        fn a_next_time_is_the_next_one(
            minute in 0_u32..60, step in 1_u32..59, day in 1_u32..29, weekday in 1_u32..8,
            from in 0_u64..4_000_000_000_000,
        ) {
            let text = format!("{minute}/{step} */6 {day} * {weekday}");
            let schedule = Schedule::parse(&text).expect("parses");
            let next = schedule.next_after(from).expect("comes");
            prop_assert!(next > from && next.is_multiple_of(MINUTE_MS));
            let takes = |ms: u64| {
                let time = DateTime::from_timestamp_millis(ms as i64).expect("a time");
                let (m, h) = ((ms / MINUTE_MS % 60) as u32, (ms / MINUTE_MS / 60 % 24) as u32);
                let at = m >= minute && (m - minute).is_multiple_of(step) && h.is_multiple_of(6);
                let on = time.day() == day
                    || time.weekday().num_days_from_sunday() + 1 == weekday;
                at && on
            };
            prop_assert!(takes(next));
            let between = (from / MINUTE_MS + 1)..(next / MINUTE_MS);
            prop_assert!(between.clone().all(|minute| !takes(minute * MINUTE_MS)));
        }
    }
}
