import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Benchmark of the automatic choice of leaving out zeros")
struct SparsityBenchmarkTests {
    private let shape = ModelShape(
        hiddenSize: 128, feedForwardSize: 512, layerCount: 2, headCount: 2, keyValueHeadCount: 1,
        vocabularySize: 64)

    @Test("every share is met, in a row of its own")
    func shares() throws {
        var reported: [SparsityBenchmark.Row] = []
        let benchmark = SparsityBenchmark(shape, options: LoadOptions(threads: 2, layout: .t2))
        let rows = try benchmark.run(zeroShares: [0, 0.7, 0.95], repetitions: 3) {
            reported.append($0)
        }
        #expect(rows == reported && rows.map(\.zeroShare) == [0, 0.7, 0.95])
        for row in rows {
            #expect(abs(row.gateZeroShare - row.zeroShare) < 0.1, "\(row)")
            #expect(row.downZeroShare > row.zeroShare - 0.1, "\(row)")
            #expect(row.threads == 2)
            for speed in [row.off, row.always, row.automatic] {
                #expect(0 < speed.min && speed.min <= speed.median && speed.median <= speed.max)
            }
            #expect(row.choice == row.automaticRatio / max(row.alwaysRatio, 1))
        }
    }

    @Test("what cannot be measured is refused")
    func refused() {
        for share in [-0.1, 1.1, .nan] {
            #expect(throws: BitNetError.self) {
                try SparsityBenchmark(shape).run(zeroShares: [share])
            }
        }
        var odd = shape
        odd.headCount = 3
        #expect(throws: BitNetError.self) { try SparsityBenchmark(odd).run(zeroShares: [0]) }
    }

    @Test("a cancelled task ends between two shares")
    func cancelled() async {
        let shape = shape
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try SparsityBenchmark(shape).run(zeroShares: [0])
        }
        await #expect(throws: BitNetError.cancelled) { try await task.value }
    }
}
