internal import Foundation

/// Measures the energy that work takes, where the machine has counters that may be read.
///
/// ```swift
/// let meter = EnergyMeter()
/// print(meter.measure { work() })  // 1.27 J (RAPL package-0, dram; ...), or why not
/// ```
///
/// On Linux it reads RAPL's counters of processor packages and memory in the powercap tree. Most
/// systems let only root read them, and virtual machines have none. Other systems show no counter to
/// programs without privileges. What the machine takes at rest is measured first and taken off; what
/// other programs take meanwhile is in the figure.
public struct EnergyMeter: Sendable {
    /// What the machine takes at rest, in watts, as its counters said; nil where there are none.
    public let idleWatts: Double?
    private let counters: Result<Powercap, Powercap.Unavailable>
    private let clock: EnergyClock

    /// Finds the counters and, if there are some, does nothing for a while to measure the machine at
    /// rest.
    ///
    /// - Parameters:
    ///   - powercap: the folder of the powercap tree.
    ///   - idleSeconds: how long to do nothing, at least 0.1 s.
    public init(powercap: String = "/sys/class/powercap", idleSeconds: Double = 1) {
        self.init(powercap: powercap, idleSeconds: idleSeconds, clock: .system)
    }

    /// The same with another clock.
    init(powercap: String, idleSeconds: Double, clock: EnergyClock) {
        self.clock = clock
        do throws(Powercap.Unavailable) {
            let powercap = try EnergyMeter.counters(powercap)
            let (begin, first) = (clock.now(), try powercap.values())
            clock.sleep(max(idleSeconds, 0.1))
            let (end, last) = (clock.now(), try powercap.values())
            idleWatts = powercap.joules(from: first, to: last) / max(end - begin, 1e-3)
            counters = .success(powercap)
        } catch {
            idleWatts = nil
            counters = .failure(error)
        }
    }

    private static func counters(_ root: String) throws(Powercap.Unavailable) -> Powercap {
        #if canImport(Darwin)
            if root.hasPrefix("/sys/") {
                throw Powercap.Unavailable(
                    reason: "this system shows energy counters to privileged programs only")
            }
        #endif
        return try Powercap(root: root)
    }

    /// Why there are no figures; nil where there are.
    public var unavailable: String? {
        if case .failure(let error) = counters { error.reason } else { nil }
    }

    /// The energy of `body`, which should take a tenth of a second or more.
    public func measure<E: Error>(_ body: () throws(E) -> Void) throws(E) -> EnergyReading {
        var count = EnergyCount(self)
        count.begin()
        try body()
        count.end()
        return count.reading
    }

    fileprivate func sample() -> Result<(time: Double, values: [UInt64]), Powercap.Unavailable> {
        counters.flatMap { counters in
            Result { () throws(Powercap.Unavailable) in (clock.now(), try counters.values()) }
        }
    }

    fileprivate func joules(from first: [UInt64], to last: [UInt64]) -> Double {
        (try? counters.get())?.joules(from: first, to: last) ?? 0
    }

    fileprivate var range: Double { (try? counters.get())?.range ?? 0 }

    fileprivate var source: String {
        let names = (try? counters.get())?.names ?? ""
        return "RAPL \(names); \(tenths(idleWatts ?? 0)) W of the machine at rest taken off"
    }
}

/// The energy of work that is done in several parts, with other things in between.
struct EnergyCount {
    private let meter: EnergyMeter
    private var start: (time: Double, values: [UInt64])?
    private var seconds = 0.0
    private var joules = 0.0
    private var failure: String?

    init(_ meter: EnergyMeter) { self.meter = meter }

    /// A part begins.
    mutating func begin() {
        switch meter.sample() {
        case .success(let sample): start = sample
        case .failure(let error): failure = failure ?? error.reason
        }
    }

    /// A part has ended.
    mutating func end() {
        guard failure == nil, let begun = start else { return }
        start = nil
        switch meter.sample() {
        case .success(let now):
            let time = now.time - begun.time
            // No machine of one package draws more; then a counter may have wrapped twice.
            if time * 1000 > meter.range {
                failure = "\(Int(time)) s at a time are too long for counters that wrap around"
            }
            seconds += time
            joules += meter.joules(from: begun.values, to: now.values)
        case .failure(let error): failure = error.reason
        }
    }

    /// What all parts took, above the machine at rest.
    var reading: EnergyReading {
        if let failure { return .unavailable(reason: failure) }
        // Counters move about once a millisecond.
        guard seconds >= 0.05 else {
            let time = "\(Int((seconds * 1000).rounded()))"
            return .unavailable(reason: "\(time) ms of work are too short to be measured")
        }
        guard joules > 0 else { return .unavailable(reason: "the counters stand still") }
        let net = joules - (meter.idleWatts ?? 0) * seconds
        guard net > 0 else {
            return .unavailable(reason: "the machine took no more than it had taken at rest")
        }
        return .joules(net, source: meter.source)
    }
}

/// A clock, and a way to wait on it.
struct EnergyClock: Sendable {
    /// Seconds since some moment.
    let now: @Sendable () -> Double
    /// Waits so many seconds.
    let sleep: @Sendable (Double) -> Void

    static let system = EnergyClock(
        now: { (ContinuousClock.now - origin) / .seconds(1) },
        sleep: { Thread.sleep(forTimeInterval: $0) })

    private static let origin = ContinuousClock.now
}

/// A number with one digit behind the point.
private func tenths(_ value: Double) -> String { String(format: "%.1f", value) }
