//! Points in time, as ECMA-119 writes them: seven bytes in records (9.1.5), seventeen in descriptors (8.4.26.1).
//!
//! Written in UTC. Not supported: years outside 1900 to 2155, which seven bytes cannot tell, and parts of a second.

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub i64);

/// 1900-01-01T00:00:00Z.
const FIRST: i64 = -2_208_988_800;
/// 2155-12-31T23:59:59Z.
const LAST: i64 = 5_869_583_999;
const DAY: i64 = 86_400;
const QUARTER: i64 = 15 * 60;

/// Year, month, day, hour, minute, second.
type Civil = (i64, u8, u8, u8, u8, u8);

impl Time {
    /// Whether ECMA-119 can tell it.
    pub fn is_representable(self) -> bool {
        (FIRST..=LAST).contains(&self.0)
    }

    /// For a directory record; of a time that [`Time::is_representable`], else the nearest.
    pub fn record(self) -> [u8; 7] {
        let (year, month, day, hour, minute, second) = self.civil();
        [
            (year - 1900) as u8,
            month,
            day,
            hour,
            minute,
            second,
            0, // offset from Greenwich
        ]
    }

    /// For a volume descriptor, likewise.
    pub fn descriptor(self) -> [u8; 17] {
        let (year, month, day, hour, minute, second) = self.civil();
        let digits = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00");
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(digits.as_bytes());
        bytes
    }

    /// Of a directory record; `None` when not specified, or no time.
    pub fn of_record(bytes: [u8; 7]) -> Option<Time> {
        let [year, month, day, hour, minute, second, offset] = bytes;
        let year = 1900 + i64::from(year);
        Time::of_civil((year, month, day, hour, minute, second), offset as i8)
    }

    /// Of a volume descriptor; `None` when not specified, or no time.
    pub fn of_descriptor(bytes: [u8; 17]) -> Option<Time> {
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            bytes[range].iter().try_fold(0, |number, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| number * 10 + i64::from(digit - b'0'))
            })
        };
        let small = |at: usize| number(at..at + 2).map(|number| number as u8);
        let civil = (
            number(0..4)?,
            small(4)?,
            small(6)?,
            small(8)?,
            small(10)?,
            small(12)?,
        );
        Time::of_civil(civil, bytes[16] as i8)
    }

    /// `YYYY-MM-DDTHH:MM:SSZ`.
    pub fn text(self) -> String {
        let (year, month, day, hour, minute, second) = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    fn civil(self) -> Civil {
        let seconds = self.0.clamp(FIRST, LAST);
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // Days since 0000-03-01, in eras of 400 years.
        let days = days + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (
            year,
            month as u8,
            day as u8,
            (rest / 3600) as u8,
            (rest / 60 % 60) as u8,
            (rest % 60) as u8,
        )
    }

    /// `offset`: quarters of an hour east of Greenwich.
    fn of_civil((year, month, day, hour, minute, second): Civil, offset: i8) -> Option<Time> {
        let valid = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && (-48..=52).contains(&offset)
            && year > 0;
        if !valid {
            return None;
        }
        let year = if month <= 2 { year - 1 } else { year };
        let month = i64::from(if month > 2 { month - 3 } else { month + 9 });
        let of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(Time(days * DAY + clock - i64::from(offset) * QUARTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_date_prints_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:01Z"),
            (FIRST, "1900-01-01T00:00:00Z"),
            (LAST, "2155-12-31T23:59:59Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_795_392_000, "2026-11-23T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let time = Time(seconds);
            assert_eq!(time.text(), text);
            assert!(time.is_representable());
            assert_eq!(Time::of_record(time.record()), Some(time), "{text}");
            assert_eq!(Time::of_descriptor(time.descriptor()), Some(time), "{text}");
        }
        assert!(!Time(FIRST - 1).is_representable());
        assert!(!Time(LAST + 1).is_representable());
    }

    #[test]
    fn an_offset_is_east_and_nonsense_is_none() {
        let noon_in_kathmandu = [126, 11, 23, 12, 0, 0, 23];
        assert_eq!(
            Time::of_record(noon_in_kathmandu)
                .map(Time::text)
                .as_deref(),
            Some("2026-11-23T06:15:00Z")
        );
        assert_eq!(Time::of_record([0; 7]), None);
        assert_eq!(Time::of_record([255; 7]), None);
        assert_eq!(Time::of_descriptor([0; 17]), None);
        assert_eq!(Time::of_descriptor(*b"0000000000000000\0"), None);
    }
}
