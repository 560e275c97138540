internal import Foundation

/// What one direction of a chart means.
package struct PlotAxis: Sendable {
    /// What is measured, with its unit; empty for none.
    package var label: String
    /// Whether equal lengths are equal ratios. Values that are not positive have no place then.
    package var isLogarithmic: Bool
    /// Values that must be on the axis, besides those that are drawn.
    package var including: [Double]

    package init(_ label: String, isLogarithmic: Bool = false, including: [Double] = []) {
        self.label = label
        self.isLogarithmic = isLogarithmic
        self.including = including
    }
}

/// An axis with a range: where values are, and which of them have a label.
struct PlotScale {
    let ticks: [(value: Double, label: String)]
    private let isLogarithmic: Bool
    private let low: Double
    private let high: Double

    /// Covers `values`, those that can be drawn. The range ends at ticks.
    init(_ axis: PlotAxis, covering values: some Sequence<Double>, ticks count: Int = 6) {
        isLogarithmic = axis.isLogarithmic
        let isLogarithmic = isLogarithmic
        let drawn = (Array(values) + axis.including)
            .filter { $0.isFinite && (!isLogarithmic || $0 > 0) }
        let least = drawn.min() ?? (isLogarithmic ? 1 : 0)
        let most = drawn.max() ?? 1
        if isLogarithmic {
            ticks = PlotScale.powers(least, most)
        } else {
            ticks = PlotScale.steps(least, most > least ? most : least + 1, count: count)
        }
        low = min(ticks.first?.value ?? least, least)
        high = max(ticks.last?.value ?? most, most)
    }

    /// The place of a value in 0...1; nil for one that has none.
    func place(_ value: Double) -> Double? {
        guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
        guard high > low else { return 0.5 }
        return isLogarithmic
            ? log(value / low) / log(high / low)
            : (value / 2 - low / 2) / (high / 2 - low / 2)
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    private static func steps(
        _ low: Double, _ high: Double, count: Int
    ) -> [(value: Double, label: String)] {
        let rough = (high / 2 - low / 2) / Double(count) * 2
        guard rough.isFinite, rough > 0 else { return [] }
        let power = pow(10, floor(log10(rough)))
        guard power > 0 else { return [] }
        let factor = [1.0, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10
        let step = factor * power
        let first = floor(low / step + 1e-9), last = ceil(high / step - 1e-9)
        guard last - first < 100, abs(first) < 1e15, abs(last) < 1e15 else { return [] }
        return (Int(first)...max(Int(first), Int(last))).map {
            let value = Double($0) * step
            return (value, shortNumber(value, step: step))
        }
    }

    /// Powers of two or ten, or steps of 1, 2 and 5: what gives about as many labels as have room.
    private static func powers(
        _ low: Double, _ high: Double
    ) -> [(value: Double, label: String)] {
        if low >= 1, high < 1e9, high / low <= 2048 { return powers(of: 2, low, high) }
        if high / low > 300 { return powers(of: 10, low, high) }
        var values: [Double] = []
        for exponent in Int(floor(log10(low)))...Int(ceil(log10(high))) {
            values += [1, 2, 5].map { $0 * pow(10, Double(exponent)) }
        }
        // The next value below the lowest, and the next above the highest.
        let first = values.lastIndex { $0 <= low * (1 + 1e-9) } ?? 0
        let last = values.firstIndex { $0 >= high * (1 - 1e-9) } ?? values.count - 1
        return values[first...max(first, last)].map { ($0, shortNumber($0, step: $0)) }
    }

    private static func powers(
        of base: Double, _ low: Double, _ high: Double
    ) -> [(value: Double, label: String)] {
        // Rounding must not add a power where a value is one.
        let first = floor(log(low) / log(base) + 1e-9), last = ceil(log(high) / log(base) - 1e-9)
        let stride = max(1, Int((last - first) / 8))
        return Swift.stride(from: Int(first), through: max(Int(last), Int(first) + 1), by: stride)
            .map {
                let value = pow(base, Double($0))
                // 32768, not 33k.
                return (value, base == 2 ? "\(Int(value))" : shortNumber(value, step: value))
            }
    }
}

/// A number with as many digits as the distance to its neighbours asks for, and k, M, G, T for
/// thousands and more.
package func shortNumber(_ value: Double, step: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "-" : value > 0 ? "∞" : "-∞" }
    let size = max(abs(value), step)
    if size > 1e16, value != 0 {
        return String(format: "%.1e", value).replacingOccurrences(of: "e+", with: "e")
    }
    let (factor, unit) =
        [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")].first { size >= $0.0 }
        .map { ($0.1 == "k" ? 1e3 : $0.0, $0.1) } ?? (1, "")
    let digits =
        step > 0 ? Int(min(max(ceil(-log10(step / factor) - 1e-9), 0), unit.isEmpty ? 12 : 6)) : 0
    // A label has room for some seven characters.
    if size < 1e-4, value != 0, digits > 5 {
        let places = min(max(log10(abs(value) / step), 0).rounded(.down), 3)
        return String(format: "%.*e", Int(places), value)
            .replacingOccurrences(of: "e-0", with: "e-")
    }
    // Not "-0".
    let shown = value == 0 ? 0 : value / factor
    return value == 0 ? "0" : String(format: "%.\(digits)f", shown) + unit
}
