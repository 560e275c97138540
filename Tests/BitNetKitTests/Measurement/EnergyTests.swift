import Foundation
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Energy as a powercap tree shows it, on a tree and a clock of the tests' own.
@Suite("Energy")
struct EnergyTests {
    @Test("joules are those of packages and memory, without what the machine takes at rest")
    func joules() throws {
        let machine = try FakeMachine()
        try machine.zone("intel-rapl:0", "package-0", range: 262_143_328_850)
        try machine.zone("intel-rapl:0:0", "core", range: 262_143_328_850)
        try machine.zone("intel-rapl:0:1", "dram", range: 262_143_328_850)
        try machine.zone("intel-rapl:1", "package-1", range: 262_143_328_850)
        try machine.zone("intel-rapl:2", "psys", range: 262_143_328_850)
        // 10 + 2 + 5 W at rest; cores and the platform are in these already, or count them twice.
        machine.watts = ["intel-rapl:0": 10, "intel-rapl:0:0": 8, "intel-rapl:0:1": 2]
        machine.watts.merge(["intel-rapl:1": 5, "intel-rapl:2": 100]) { $1 }
        let meter = machine.meter()
        #expect(meter.unavailable == nil)
        #expect(abs(try #require(meter.idleWatts) - 17) < 1e-6)
        let reading = meter.measure {
            machine.watts["intel-rapl:0"] = 60
            machine.watts["intel-rapl:0:1"] = 7
            machine.pass(2)
        }
        // (60 + 7 + 5 - 17) W for 2 s.
        #expect(abs(try #require(reading.joules) - 110) < 1e-3)
        guard case .joules(_, let source) = reading else { return }
        #expect(
            source == "RAPL package-0, dram, package-1; 17.0 W of the machine at rest taken off")
    }

    @Test("a counter that wraps around goes on counting", arguments: [0.0, 64_999, 64_970, 64_000])
    func wrapping(_ start: Double) throws {
        let machine = try FakeMachine()
        try machine.zone("intel-rapl:0", "package-0", range: 65_000_000_000, start: start)
        machine.watts = ["intel-rapl:0": 0.5]
        let meter = machine.meter()
        var count = EnergyCount(meter)
        for _ in 0..<40 {
            count.begin()
            machine.watts = ["intel-rapl:0": 30.5]
            machine.pass(1)
            count.end()
            machine.watts = ["intel-rapl:0": 500]
            machine.pass(0.01)
        }
        #expect(abs(try #require(count.reading.joules) - 1200) < 1e-3)
        #expect(abs(try #require(count.reading.divided(by: 100).joules) - 12) < 1e-5)
    }

    @Test("there is no figure where none could be right, and the reason is said")
    func reasons() throws {
        let machine = try FakeMachine()
        try machine.zone("intel-rapl:0", "package-0", range: 65_000_000_000)
        machine.watts = ["intel-rapl:0": 10]
        let meter = machine.meter()
        func reason(_ watts: Double, _ seconds: Double) -> String? {
            let reading = meter.measure {
                machine.watts = ["intel-rapl:0": watts]
                machine.pass(seconds)
            }
            if case .unavailable(let reason) = reading { return reason }
            return nil
        }
        #expect(reason(20, 1) == nil)
        #expect(reason(20, 0.02) == "20 ms of work are too short to be measured")
        #expect(reason(0, 1) == "the counters stand still")
        #expect(reason(9, 1) == "the machine took no more than it had taken at rest")
        #expect(reason(20, 66)?.contains("too long for counters that wrap around") == true)
        try machine.remove("intel-rapl:0/energy_uj")
        #expect(reason(20, 1)?.hasSuffix("intel-rapl:0/energy_uj is missing") == true)
    }

    @Test("a tree without a counter that may be read is unavailable, with the reason")
    func unavailable() throws {
        let none = EnergyMeter(powercap: "/nowhere/powercap")
        #expect(none.idleWatts == nil)
        #expect(none.unavailable?.hasPrefix("/nowhere/powercap does not exist") == true)
        let reading = none.measure {}
        #expect(reading.joules == nil && reading == .unavailable(reason: none.unavailable ?? ""))

        let machine = try FakeMachine()
        #expect(
            machine.meter().unavailable?.hasSuffix("no counter of a processor (intel-rapl)") == true
        )
        try machine.zone("intel-rapl:0:0", "dram", range: 1000)
        #expect(machine.meter().unavailable?.hasSuffix("(intel-rapl)") == true)
        try machine.zone("intel-rapl:0", "package-0", range: 0)
        #expect(machine.meter().unavailable?.hasSuffix("max_energy_range_uj is 0") == true)
        try machine.zone("intel-rapl:0", "package-0", range: 1000)
        #expect(machine.meter().unavailable == nil)
        try machine.write("intel-rapl:0/energy_uj", "many\n")
        #expect(machine.meter().unavailable?.hasSuffix("has 'many', which is no number") == true)
        // Root may read what nobody may.
        if geteuid() != 0 {
            try machine.zone("intel-rapl:0", "package-0", range: 1000)
            try machine.forbid("intel-rapl:0/energy_uj")
            #expect(
                machine.meter().unavailable?.hasSuffix("may not be read without privileges") == true
            )
        }
    }

    @Test("a reading has one of two forms in JSON, and comes back from it")
    func json() throws {
        for (reading, text) in [
            (EnergyReading.joules(0.5, source: "RAPL"), #"{"joules":0.5,"source":"RAPL"}"#),
            (.unavailable(reason: "none"), #"{"unavailable":"none"}"#),
        ] {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let data = try encoder.encode(reading)
            #expect(String(decoding: data, as: UTF8.self) == text)
            #expect(try JSONDecoder().decode(EnergyReading.self, from: data) == reading)
        }
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(EnergyReading.self, from: Data("{}".utf8))
        }
    }

    @Test("benchmarks give the energy of a product and of a token where there are counters")
    func benchmarks() throws {
        let machine = try FakeMachine()
        try machine.zone("intel-rapl:0", "package-0", range: 1 << 60)
        machine.watts = ["intel-rapl:0": 10]
        // Time passes by itself at each look at the clock.
        let meter = machine.meter(step: 1)
        machine.watts = ["intel-rapl:0": 110]
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 2, meter: meter)
        let comparison = try benchmark.compare(
            .init(rows: 16, columns: 64), placements: [.cache],
            selecting: .init(kernels: [.best], layouts: [.t2], floats: [.ownF16]))
        #expect(comparison.rows.count == 2)
        for row in comparison.rows {
            // 100 J for a second's step, over at least a repetition of one call.
            let joules = try #require(row.energy.joules)
            #expect(joules > 0 && joules <= 100)
        }
        let lines = "\(comparison)".split(separator: "\n")
        #expect(lines.contains { $0.hasSuffix(" uJ") })
        #expect(lines.contains { $0.hasPrefix("energy: RAPL package-0; 10.0 W") })

        let shape = ModelShape(
            hiddenSize: 256, feedForwardSize: 512, layerCount: 1, headCount: 4,
            keyValueHeadCount: 2, vocabularySize: 256)
        let model = try BitNetModel.synthetic(shape, options: LoadOptions(threads: 1))
        let report = try ModelBenchmark(model, meter: meter).run(
            [.prefill(4), .decode(2)], repetitions: 3)
        // A second of 100 W above rest for each repetition, over its tokens.
        #expect(abs(try #require(report.rows[0].energyPerToken.joules) - 25) < 1e-6)
        #expect(abs(try #require(report.rows[1].energyPerToken.joules) - 50) < 1e-6)
    }
}

/// A powercap tree and a clock that are moved by hand.
final class FakeMachine: @unchecked Sendable {
    private struct State {
        var time = 0.0
        var watts: [String: Double] = [:]
        var counters: [String: (joules: Double, range: UInt64)] = [:]
    }

    private let state = Mutex(State())
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// What each zone takes from now on.
    var watts: [String: Double] {
        get { state.withLock { $0.watts } }
        set { state.withLock { $0.watts = newValue } }
    }

    /// A counter; `start` in joules.
    func zone(_ name: String, _ title: String, range: UInt64, start: Double = 0) throws {
        try FileManager.default.createDirectory(
            atPath: folder.file(name), withIntermediateDirectories: true)
        state.withLock { $0.counters[name] = (start, range) }
        try write("\(name)/name", title + "\n")
        try write("\(name)/max_energy_range_uj", "\(range)\n")
        try write("\(name)/energy_uj", "\(UInt64((start * 1e6).rounded()))\n")
    }

    func write(_ name: String, _ text: String) throws { try folder.write(name, text) }

    func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: folder.file(name))
    }

    func forbid(_ name: String) throws {
        try FileManager.default.setAttributes(
            [.posixPermissions: 0], ofItemAtPath: folder.file(name))
    }

    /// Lets time go by; a removed counter stays removed.
    func pass(_ seconds: Double) {
        let counters = state.withLock { state in
            state.time += seconds
            for (name, watts) in state.watts { state.counters[name]?.joules += watts * seconds }
            return state.counters
        }
        for (name, counter) in counters where counter.range > 0 {
            let path = "\(name)/energy_uj"
            guard FileManager.default.fileExists(atPath: folder.file(path)) else { continue }
            let value = UInt64((counter.joules * 1e6).rounded()) % counter.range
            try? write(path, "\(value)\n")
        }
    }

    /// A meter of this machine. With a step, that much time goes by before each look at the clock.
    func meter(step: Double = 0) -> EnergyMeter {
        EnergyMeter(
            powercap: folder.path, idleSeconds: 1,
            clock: EnergyClock(
                now: { [self] in
                    if step > 0 { pass(step) }
                    return state.withLock { $0.time }
                }, sleep: { [self] in pass($0) }))
    }
}
