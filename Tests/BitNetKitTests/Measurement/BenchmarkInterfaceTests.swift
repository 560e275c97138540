import BitNetBench
import Foundation
import Testing

/// Benchmarks as an importer calls them.
@Suite("Benchmarks from code")
struct BenchmarkInterfaceTests {
    private static let sizes = ModelShape(
        hiddenSize: 256, feedForwardSize: 512, layerCount: 2, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 256)

    @Test("a model's rows come in the order of the tests, with the limits of the machine")
    func model() throws {
        let model = try BitNetModel.synthetic(Self.sizes, options: LoadOptions(threads: 2))
        var steps: [String] = []
        let report = try ModelBenchmark(model).run(
            [.prefill(9), .decode(3), .decode(2, depth: 40)], repetitions: 2
        ) { steps.append($0) }
        #expect(report.rows.map(\.test) == ["pp9", "tg3", "tg2@40"])
        #expect(
            steps == ["pp9", "tg3", "tg2@40"].map { "warming up: \($0)" }
                + ["round 1 of 2", "round 2 of 2"])
        #expect(report.limits.threads == 2)
        for row in report.rows {
            #expect(row.threads == 2 && row.isa == KernelSet.best.name && row.head == "Q6_K")
            #expect(row.loadSeconds == nil)
            let speed = row.tokensPerSecond
            #expect(0 < speed.min && speed.min <= speed.median && speed.median <= speed.max)
            #expect(row.bandwidthShare > 0 && row.int8PeakShare > 0 && row.peakBytes > 0)
            #expect(row.sparsity?.layers.count == 2)
        }
        // The same weights, and more of the KV cache.
        #expect(report.rows[2].bytesPerToken > report.rows[1].bytesPerToken)
    }

    @Test("another engine has its turn in every round, and ratios are those of the rounds")
    func comparison() throws {
        let model = try BitNetModel.synthetic(Self.sizes, options: LoadOptions(threads: 1))
        var asked: [[ModelBenchmark.Test]] = []
        let comparison = try ModelBenchmark(model).compare(
            [.prefill(9), .decode(3)], rounds: 3
        ) { (tests) throws(BitNetError) in
            asked.append(tests)
            return [Double(asked.count) * 1e-3, 1e-6]
        }
        #expect(asked == Array(repeating: [.prefill(9), .decode(3)], count: 3))
        let (first, second) = (comparison.rows[0], comparison.rows[1])
        #expect(comparison.rows.map(\.ours.test) == ["pp9", "tg3"])
        #expect(first.theirs == Spread([1e-3, 2e-3, 3e-3]) && second.theirs.max == 1e-6)
        // Against a constant speed, ratios lie as our speeds do.
        #expect(abs(second.ratio.median / (second.ours.tokensPerSecond.median * 1e6) - 1) < 1e-9)
        #expect(first.ratio.min >= first.ours.tokensPerSecond.min / 3e-3 * (1 - 1e-9))
        #expect(comparison.limits.threads == 1)
        #expect(try throughJSON(comparison) == comparison)
    }

    @Test(
        "another engine that has not run every test is an error",
        arguments: [[1.0], [1, 0], [1, .nan]])
    func incompleteComparison(_ speeds: [Double]) throws {
        let model = try BitNetModel.synthetic(Self.sizes, options: LoadOptions(threads: 1))
        #expect(throws: BitNetError.self) {
            try ModelBenchmark(model).compare([.prefill(2), .decode(1)], rounds: 1) { _ in speeds }
        }
    }

    @Test("an LM head is measured by every method, and an exact scan finds what all logits have")
    func head() throws {
        let benchmark = LMHeadBenchmark(rows: 1000, columns: 256, states: 8)
        let rows = try benchmark.run(.f16, threads: 2, top: 4)
        #expect(rows.map(\.method) == [.full, .exact, .fast])
        #expect(rows.allSatisfy { $0.type == "F16" && $0.top == 4 && $0.states == 8 })
        #expect(rows.allSatisfy { $0.seconds > 0 && $0.bytesPerSecond > 0 && $0.threads == 2 })
        #expect(rows[0].speedup == 1 && rows[0].medianCandidates == 1000)
        #expect(rows[0].differences == 0 && rows[1].differences == 0)
        #expect(rows[1].medianCandidates >= 4)
    }

    @Test("rows are the same after a way through JSON")
    func json() throws {
        let rows = try LMHeadBenchmark(rows: 100, columns: 32, states: 1).run(.q8_0, threads: 1)
        #expect(try throughJSON(rows) == rows)
        let shape = MatmulBenchmark.Shape(rows: 16, columns: 256, batch: 2)
        let products = try MatmulBenchmark(threads: 1, repetitions: 1)
        let measured = try products.run(shape, placements: [.cache])
        #expect(try throughJSON(measured) == measured)
        #expect(measured.allSatisfy { $0.batch == 2 && $0.bandwidthShare > 0 })
        #expect(try throughJSON(products.limits) == products.limits)
    }

    @Test("the machine's limits are positive, and layouts come with the fastest first")
    func limits() throws {
        let limits = try MachineLimits.measure(threads: 1, repetitions: 0)
        #expect(limits.threads == 1 && limits.bytesPerSecond > 0 && limits.int8PerSecond > 0)
        #expect(try MachineLimits.dispatchSeconds(threads: 2, jobs: 10) > 0)
        #expect(MachineLimits.peakMemory > 512 << 20)
        #expect(MachineReport.cores >= 1 && !MachineReport.processor.isEmpty)
    }

    @Test("a size that nobody can measure is an error that names it")
    func refusals() throws {
        let shapes: [(MatmulBenchmark.Shape, String)] = [
            (.init(rows: 0, columns: 16), "shape"), (.init(rows: 16, columns: 17), "shape"),
            (.init(rows: 16, columns: -16), "shape"), (.init(rows: .max, columns: 16), "shape"),
            (.init(rows: 16, columns: 16, batch: 0), "batch"),
            (.init(rows: 16, columns: 16, batch: .max), "shape"),
        ]
        let products = try MatmulBenchmark(threads: 1, repetitions: 1)
        let skipping = try SkippingBenchmark(threads: 1)
        for (shape, name) in shapes {
            #expect(refused(name) { () throws(BitNetError) in try products.run(shape) })
            #expect(
                refused(shape.batch == 1 ? name : "batch") { () throws(BitNetError) in
                    try skipping.run(shape, zeroShares: [0.5])
                })
        }
        for threads in [-1, 0, 1025] {
            #expect(
                refused("threads") { () throws(BitNetError) in
                    _ = try MachineLimits.measure(threads: threads)
                })
            #expect(
                refused("threads") { () throws(BitNetError) in
                    _ = try MachineLimits.dispatchSeconds(threads: threads)
                })
            #expect(
                refused("threads") { () throws(BitNetError) in
                    _ = try MachineLimits.layoutSpeeds(threads: threads)
                })
            #expect(
                refused("threads") { () throws(BitNetError) in
                    _ = try MatmulBenchmark(threads: threads)
                })
            #expect(
                refused("threads") { () throws(BitNetError) in
                    _ = try SkippingBenchmark(threads: threads)
                })
            #expect(
                refused("threads") { () throws(BitNetError) in
                    try LMHeadBenchmark(rows: 16, columns: 16, states: 1).run(
                        .f16, threads: threads)
                })
        }
    }

    @Test("an LM head or a test that nobody can measure is an error that names it")
    func modelRefusals() throws {
        for (rows, columns, states, top, name) in [
            (0, 16, 1, 1, "shape"), (16, 8, 1, 1, "shape"), (16, 16, 0, 1, "states"),
            (16, 16, .max, 1, "shape"), (16, 16, 1, 0, "top"), (16, 16, 1, 17, "top"),
            (100, 16, 1, 65, "top"),
        ] {
            let benchmark = LMHeadBenchmark(rows: rows, columns: columns, states: states)
            #expect(
                refused(name) { () throws(BitNetError) in
                    try benchmark.run(.f16, threads: 1, top: top)
                })
        }
        let model = try BitNetModel.synthetic(Self.sizes, options: LoadOptions(threads: 1))
        for test: ModelBenchmark.Test in [
            .prefill(0), .prefill(.max), .decode(-1), .decode(1, depth: -1),
            .decode(1, depth: .max),
        ] {
            #expect(
                refused("test") { () throws(BitNetError) in
                    _ = try ModelBenchmark(model).run([.prefill(1), test])
                })
        }
    }

    private func throughJSON<Value: Codable>(_ value: Value) throws -> Value {
        try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
    }

    /// Whether `body` throws an `invalidArgument` of this name.
    private func refused(_ name: String, _ body: () throws(BitNetError) -> Void) -> Bool {
        do throws(BitNetError) {
            try body()
            return false
        } catch {
            if case .invalidArgument(name, _) = error { return true }
            return false
        }
    }
}
