internal import Foundation

/// A moment, written as Python's `strftime` does in the C locale.
struct JinjaDate {
    private let parts: DateComponents
    /// The day of the year from 0, and of the week from Sunday, which is 0.
    private let dayOfYear: Int
    private let dayOfWeek: Int

    init(_ date: Date, _ timeZone: TimeZone) {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = timeZone
        parts = calendar.dateComponents(
            [.year, .month, .day, .hour, .minute, .second, .weekday, .nanosecond], from: date)
        dayOfYear = (calendar.ordinality(of: .day, in: .year, for: date) ?? 1) - 1
        dayOfWeek = max(0, min((parts.weekday ?? 1) - 1, 6))
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ]
    private static let days = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]

    /// The date by `format`; nil where a directive in it is not known.
    func formatted(_ format: String) -> String? {
        var result = ""
        var rest = format.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "%" else {
                result.append(scalar)
                continue
            }
            guard var directive = rest.popFirst() else { return nil }
            let isPlain = directive == "-"
            if isPlain {
                guard let next = rest.popFirst() else { return nil }
                directive = next
            }
            guard let part = part(directive, isPlain: isPlain) else { return nil }
            result += part
        }
        return result
    }

    private func part(_ directive: Unicode.Scalar, isPlain: Bool) -> String? {
        if let (number, width, fill) = number(directive) {
            let digits = "\(number)"
            return isPlain
                ? digits
                : String(repeating: fill, count: max(0, width - digits.utf8.count)) + digits
        }
        // The other directives look the same with and without the flag.
        let combined: [Unicode.Scalar: String] = [
            "F": "%Y-%m-%d", "T": "%H:%M:%S", "X": "%H:%M:%S", "D": "%m/%d/%y", "x": "%m/%d/%y",
            "R": "%H:%M", "r": "%I:%M:%S %p", "c": "%a %b %e %H:%M:%S %Y",
        ]
        if let format = combined[directive] { return formatted(format) }
        let hour = parts.hour ?? 0
        let month = Self.months[max(0, min((parts.month ?? 1) - 1, 11))]
        switch directive {
        case "B": return month
        case "b", "h": return String(month.prefix(3))
        case "A": return Self.days[dayOfWeek]
        case "a": return String(Self.days[dayOfWeek].prefix(3))
        case "p": return hour < 12 ? "AM" : "PM"
        case "P": return hour < 12 ? "am" : "pm"
        // A date from `datetime.now()` knows no zone.
        case "z", "Z": return ""
        case "n": return "\n"
        case "t": return "\t"
        case "%": return "%"
        default: return nil
        }
    }

    /// The number of a directive, how many digits it has, and what stands in for missing ones.
    private func number(_ directive: Unicode.Scalar) -> (Int, width: Int, fill: String)? {
        let (year, day, hour) = (parts.year ?? 0, parts.day ?? 0, parts.hour ?? 0)
        let dayFromMonday = (dayOfWeek + 6) % 7
        switch directive {
        case "Y": return (year, 1, "0")
        case "y": return (year % 100, 2, "0")
        case "C": return (year / 100, 2, "0")
        case "m": return (parts.month ?? 0, 2, "0")
        case "d": return (day, 2, "0")
        case "e": return (day, 2, " ")
        case "H": return (hour, 2, "0")
        case "k": return (hour, 2, " ")
        case "I": return ((hour + 11) % 12 + 1, 2, "0")
        case "l": return ((hour + 11) % 12 + 1, 2, " ")
        case "M": return (parts.minute ?? 0, 2, "0")
        case "S": return (parts.second ?? 0, 2, "0")
        case "f": return ((parts.nanosecond ?? 0) / 1000, 6, "0")
        case "j": return (dayOfYear + 1, 3, "0")
        case "u": return (dayFromMonday + 1, 1, "0")
        case "w": return (dayOfWeek, 1, "0")
        case "U": return ((dayOfYear + 7 - dayOfWeek) / 7, 2, "0")
        case "W": return ((dayOfYear + 7 - dayFromMonday) / 7, 2, "0")
        case "V": return (weekOfYear(dayFromMonday).week, 2, "0")
        case "G": return (weekOfYear(dayFromMonday).year, 1, "0")
        case "g": return (weekOfYear(dayFromMonday).year % 100, 2, "0")
        default: return nil
        }
    }

    /// The week by ISO 8601, and the year that it belongs to.
    private func weekOfYear(_ dayFromMonday: Int) -> (week: Int, year: Int) {
        func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
        let year = parts.year ?? 0
        // The week belongs to the year of its Thursday.
        let thursday = dayOfYear - dayFromMonday + 3
        let length = isLeap(year) ? 366 : 365
        if thursday < 0 {
            return ((thursday + (isLeap(year - 1) ? 366 : 365)) / 7 + 1, year - 1)
        }
        return thursday >= length ? (1, year + 1) : (thursday / 7 + 1, year)
    }
}
