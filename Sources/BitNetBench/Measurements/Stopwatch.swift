/// Middle and ends of repeated measurements, in the unit of what was measured.
public struct Spread: Sendable, Codable, Hashable {
    /// The middle value, of an even number the mean of the middle two.
    public let median: Double
    /// The smallest value.
    public let min: Double
    /// The largest value.
    public let max: Double

    /// Of `values` in any order; all three are NaN if there are none.
    public init(_ values: [Double]) {
        let sorted = values.sorted()
        // Of an even number the mean of the middle two: the upper one alone would flatter a speed.
        median =
            sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        min = sorted.first ?? .nan
        max = sorted.last ?? .nan
    }
}

/// Wall-clock seconds of a closure.
func seconds(_ body: () throws(BitNetError) -> Void) throws(BitNetError) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    try body()
    let elapsed = (clock.now - start).components
    return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
}

/// How many calls of `body` take `group` seconds or more, at least one, and what they took.
private func firstGroup(
    seconds group: Double, _ body: () throws(BitNetError) -> Void
) throws(BitNetError) -> (calls: Int, seconds: Double) {
    var calls = 1
    var last = try seconds(body)
    while last < group && calls < 1 << 20 {
        calls = max(calls * 2, Int(Double(calls) * group / max(last, 1e-9)))
        last = try seconds { () throws(BitNetError) in for _ in 0..<calls { try body() } }
    }
    return (calls, last)
}

/// Seconds of one call of `body` in each of several groups of calls, and the energy of a call.
///
/// A group takes `group` seconds or one call. There are `repetitions` groups, the first of which is
/// the last of those that find out how many calls it takes; fewer, but at least three, where they
/// would take longer than `budget` seconds. Without a meter there is no energy.
func measureCalls(
    repetitions: Int, group: Double = 0.01, budget: Double = .infinity,
    energy meter: EnergyMeter? = nil, _ body: () throws(BitNetError) -> Void
) throws(BitNetError) -> (seconds: Spread, joules: EnergyReading) {
    let (calls, last) = try firstGroup(seconds: group, body)
    var times = [last / Double(calls)]
    var spent = last
    var energy = meter.map { EnergyCount($0) }
    energy?.begin()
    while times.count < max(repetitions, 1) && (spent < budget || times.count < 3) {
        let time = try seconds { () throws(BitNetError) in for _ in 0..<calls { try body() } }
        times.append(time / Double(calls))
        spent += time
    }
    energy?.end()
    let count = calls * (times.count - 1)
    return (
        Spread(times),
        energy?.reading.divided(by: Double(max(count, 1))) ?? .unavailable(reason: "not measured")
    )
}
