//! Dates as `InRelease` writes them, `Sat, 12 Sep 2026 07:55:41 UTC`: RFC 5322 3.3 in universal time only.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A second in universal time. Shown as RFC 3339 does: `2026-09-12T07:55:41Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

impl Date {
    /// Reads a date. `None` when it is not in the form above.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.split_once(',').map_or(text, |(_, rest)| rest);
        let words: Vec<&str> = text.split_whitespace().collect();
        let [day, month, year, time, "UTC" | "GMT" | "Z" | "+0000"] = words.as_slice() else {
            return None;
        };
        let clock: Vec<i64> = time
            .split(':')
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?;
        let [hour, minute, second] = clock.as_slice() else {
            return None;
        };
        let month = MONTHS.iter().position(|name| name == month)? + 1;
        let date = Self {
            year: year.parse().ok()?,
            month: i64::try_from(month).ok()?,
            day: day.parse().ok()?,
            second_of_day: hour * 3600 + minute * 60 + second,
        };
        let is_date = (1970..=9999).contains(&date.year)
            && (1..=31).contains(&date.day)
            && (0..24).contains(hour)
            && (0..60).contains(minute)
            && (0..=60).contains(second);
        is_date.then_some(date)
    }

    /// Whether the time has come.
    pub(crate) fn is_before(self, time: SystemTime) -> bool {
        let time = match time.duration_since(UNIX_EPOCH) {
            Ok(duration) => i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            Err(_) => return false,
        };
        self.seconds() < time
    }

    /// Seconds since 1970.
    fn seconds(self) -> i64 {
        // Years that begin in March have their leap day at the end.
        let (year, month) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year - 1, self.month + 9)
        };
        let days_before_month = (153 * month + 2) / 5;
        let days = 365 * year + year / 4 - year / 100 + year / 400 + days_before_month + self.day;
        // 1 March of the year 0 to 1 January 1970.
        const EPOCH: i64 = 719_469;
        (days - EPOCH) * 86_400 + self.second_of_day
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.second_of_day;
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            self.year,
            self.month,
            self.day,
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01T00:00:00Z"),
            (
                "Sat, 12 Sep 2026 07:55:41 UTC",
                1_789_199_741,
                "2026-09-12T07:55:41Z",
            ),
            (
                "Thu, 29 Feb 2024 23:59:59 GMT",
                1_709_251_199,
                "2024-02-29T23:59:59Z",
            ),
            (
                "1 Mar 2100 00:00:00 +0000",
                4_107_542_400,
                "2100-03-01T00:00:00Z",
            ),
        ];
        for (text, seconds, shown) in table {
            let date = Date::parse(text).unwrap();
            assert_eq!(date.seconds(), seconds, "{text}");
            assert_eq!(date.to_string(), shown);
        }
        for text in [
            "",
            "yesterday",
            "Sat, 12 Sep 2026 07:55:41 CEST",
            "Sat, 40 Sep 2026 07:55:41 UTC",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
