internal import Foundation

/// A moment, written as Python's `strftime` does in the C locale.
struct JinjaDate {
    private let parts: DateComponents
    private let dayOfYear: Int

    init(_ date: Date, _ timeZone: TimeZone) {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = timeZone
        parts = calendar.dateComponents(
            [.year, .month, .day, .hour, .minute, .second, .weekday], from: date)
        dayOfYear = calendar.ordinality(of: .day, in: .year, for: date) ?? 1
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
                result.unicodeScalars.append(scalar)
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
        func padded(_ number: Int?, _ count: Int = 2) -> String {
            let digits = "\(number ?? 0)"
            return isPlain
                ? digits : String(repeating: "0", count: max(0, count - digits.count)) + digits
        }
        let month = Self.months[max(0, min((parts.month ?? 1) - 1, 11))]
        let day = Self.days[max(0, min((parts.weekday ?? 1) - 1, 6))]
        let hour = parts.hour ?? 0
        switch directive {
        case "Y": return "\(parts.year ?? 0)"
        case "y": return padded((parts.year ?? 0) % 100)
        case "m": return padded(parts.month)
        case "d": return padded(parts.day)
        case "e":
            let digits = "\(parts.day ?? 0)"
            return digits.count < 2 && !isPlain ? " " + digits : digits
        case "B": return month
        case "b", "h": return String(month.prefix(3))
        case "A": return day
        case "a": return String(day.prefix(3))
        case "H": return padded(hour)
        case "I": return padded((hour + 11) % 12 + 1)
        case "M": return padded(parts.minute)
        case "S": return padded(parts.second)
        case "j": return padded(dayOfYear, 3)
        case "p": return hour < 12 ? "AM" : "PM"
        case "F":
            return part("Y", isPlain: false).map {
                "\($0)-\(padded(parts.month))-\(padded(parts.day))"
            }
        case "T": return "\(padded(hour)):\(padded(parts.minute)):\(padded(parts.second))"
        case "%": return "%"
        default: return nil
        }
    }
}
