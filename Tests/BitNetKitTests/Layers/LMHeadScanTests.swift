import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// The two-stage head: what it leaves is what the full head has.
@Suite("Two-stage head")
struct LMHeadScanTests {
    /// Types of a stored head, each with the scans whose bounds are strict.
    static let strictScans: [(type: ElementType, scan: LMHeadScanType)] =
        [.f16, .bf16, .f32, .q8_0, .q6_K].map { ($0, .int8) }
        + [(.q8_0, .q8_0), (.q6_K, .q6_K), (.q4_0, .q4_0)]

    @Test(
        "the top 40 of thousands of random states are the full head's, bit for bit",
        arguments: strictScans)
    func random(_ type: ElementType, _ scan: LMHeadScanType) throws {
        let columns = 256
        var random = SplitMix64(seed: 1)
        let matrix = try DenseMatrix(
            rows: 1501, columns: columns, values: (0..<1501 * columns).map { _ in random.normal() },
            type: type)
        let head = try TwoStage(matrix, scan)
        for state in 0..<2000 {
            let x = (0..<columns).map { _ in random.normal() * (state % 5 == 4 ? 1e-6 : 1) }
            try head.check(x, top: [1, 7, 40][state % 3])
        }
        #expect(head.scratch.fallbacks == 0, "nothing was left out")
        #expect(head.candidates < 2000 * 1501 / 3)
    }

    @Test("a few large elements of a state leave few rows more", arguments: strictScans)
    func outliers(_ type: ElementType, _ scan: LMHeadScanType) throws {
        let (rows, columns) = (4001, 1024)
        var random = SplitMix64(seed: 10)
        let matrix = try DenseMatrix(
            rows: rows, columns: columns,
            values: (0..<rows * columns).map { _ in random.normal() }, type: type)
        let head = try TwoStage(matrix, scan)
        for state in 0..<60 {
            var x = (0..<columns).map { _ in random.normal() }
            for place in 0..<3 { x[(state * 17 + place * 301) % columns] = 30 }
            try head.check(x, top: 40)
        }
        #expect(head.scratch.fallbacks == 0)
        // Q8_0 and Q4_0 scans keep large elements apart from their neighbours.
        let isApart = scan == .q8_0 || scan == .q4_0
        #expect(head.candidates < 60 * rows / (isApart ? 40 : 20))
    }

    @Test("rows and states made to mislead it change nothing", arguments: strictScans)
    func adversarial(_ type: ElementType, _ scan: LMHeadScanType) throws {
        let columns = 512
        var random = SplitMix64(seed: 2)
        let matrix = try DenseMatrix(
            rows: 700, columns: columns, values: Self.hardRows(700, columns, &random), type: type)
        for kind in [scan, .int4] {
            let head = try TwoStage(matrix, kind)
            for row in 0..<700 {
                let stored = matrix.row(row)
                let coded = head.decoded(row)
                let error = zip(stored, coded).map { $0 - $1 }
                let states = [
                    stored, error, stored.map { -$0 }, zip(stored, error).map { $0 + 300 * $1 },
                ]
                // The bounds of the 4-bit scan suppose states that know nothing of its errors.
                for x in kind == .int4 ? [stored] : states where x.contains(where: { $0 != 0 }) {
                    try head.check(x, top: [1, 40][row % 2])
                }
            }
        }
    }

    /// Constant rows, equal rows, neighbours one bit apart, zero rows, norms from 1e-5 to 1e3, rows of
    /// a single weight.
    static func hardRows(_ rows: Int, _ columns: Int, _ random: inout SplitMix64) -> [Float] {
        var values: [Float] = []
        var previous = [Float](repeating: 0, count: columns)
        for row in 0..<rows {
            var next = (0..<columns).map { _ in random.normal() }
            switch row % 8 {
            case 0: next = [Float](repeating: next[0], count: columns)
            case 1: next = previous
            case 2:
                next = previous
                next[row % columns] = next[row % columns].nextUp
            case 3: next = [Float](repeating: 0, count: columns)
            case 4: next = next.map { $0 * 1e-5 }
            case 5: next = next.map { $0 * 1e3 }
            case 6: next = next.indices.map { $0 == row % columns ? 5 : 0 }
            default: break
            }
            previous = next
            values += next
        }
        return values
    }

    @Test("a state of zeros, and one with nothing to choose between, give all rows")
    func fallback() throws {
        var random = SplitMix64(seed: 3)
        let row = (0..<256).map { _ in random.normal() }
        let scans: [(ElementType, LMHeadScanType)] = [
            (.f32, .int8), (.f32, .int4), (.q8_0, .q8_0), (.q6_K, .q6_K), (.q4_0, .q4_0),
        ]
        for (type, kind) in scans {
            let matrix = try DenseMatrix(
                rows: 100, columns: 256, values: (0..<100).flatMap { _ in row }, type: type)
            let head = try TwoStage(matrix, kind)
            try head.check([Float](repeating: 0, count: 256), top: 1)
            try head.check((0..<256).map { _ in random.normal() }, top: 1)
            try head.check([Float](repeating: 1e-35, count: 256), top: 1)
            #expect(head.scratch.fallbacks == 3)
            #expect(head.scratch.candidates == 100)
        }
    }

    @Test("rows that are not finite, and states that are not, are computed as without a scan")
    func notFinite() throws {
        var random = SplitMix64(seed: 4)
        var values = (0..<200 * 64).map { _ in random.normal() }
        let x = (0..<64).map { _ in random.normal() }
        for bad in [Float.nan, .infinity, 3e38] {
            values[64 * 5 + 3] = bad
            let head = try TwoStage(
                try DenseMatrix(rows: 200, columns: 64, values: values), .int8)
            let (full, part) = try head.products(x.map { $0 * 1e3 }, top: 1)
            #expect(full.map(\.bitPattern) == part.map(\.bitPattern))
            #expect(head.scratch.fallbacks == 1)
        }
        // Each type's bytes in a block, and where the block's scale is.
        for (type, bytes, scale) in [(ElementType.q8_0, 34, 0), (.q6_K, 210, 208), (.q4_0, 18, 0)] {
            let columns = type.block.elements
            let state = (0..<columns).map { x[$0 % 64] * 1e3 }
            try notFiniteInPlace(type, blockBytes: bytes, scaleOffset: scale, state)
        }
        values[64 * 5 + 3] = 1
        let head = try TwoStage(try DenseMatrix(rows: 200, columns: 64, values: values), .int4)
        var state = x
        state[9] = .nan
        let (full, part) = try head.products(state, top: 1)
        #expect(full.map(\.bitPattern) == part.map(\.bitPattern))
    }

    /// Rows of one block, of which one has a float16 scale that is infinite or not a number.
    private func notFiniteInPlace(
        _ type: ElementType, blockBytes: Int, scaleOffset: Int, _ x: [Float]
    ) throws {
        for (high, low) in [(0x7C, 0), (0xFC, 0), (0x7E, 1)] as [(UInt8, UInt8)] {
            let bytes = try AlignedBuffer<UInt8>(count: 200 * blockBytes, purpose: "a test")
            for index in 0..<bytes.count {
                bytes.view[index] = UInt8(truncatingIfNeeded: index * 37)
            }
            for row in 0..<200 {
                bytes.view[row * blockBytes + scaleOffset] = row == 5 ? low : 0
                bytes.view[row * blockBytes + scaleOffset + 1] = row == 5 ? high : 0x20
            }
            let head = try TwoStage(
                DenseMatrix(rows: 200, columns: x.count, type: type, bytes: bytes),
                #require(LMHeadScanType(inPlace: type)))
            let (full, part) = try head.products(x, top: 1)
            #expect(full.map(\.bitPattern) == part.map(\.bitPattern), "\(type)")
            #expect(head.scratch.fallbacks == 1, "\(type)")
        }
    }

    @Test(
        "every instruction set and number of threads leaves the same logits",
        arguments: [
            (ElementType.f32, LMHeadScanType.int8, [16, 48, 320]), (.f32, .int4, [16, 48, 320]),
            (.q8_0, .q8_0, [32, 320]), (.q4_0, .q4_0, [32, 320]), (.q6_K, .q6_K, [512]),
        ])
    func sameBits(_ type: ElementType, _ scan: LMHeadScanType, _ widths: [Int]) throws {
        var random = SplitMix64(seed: 5)
        for columns in widths {
            let values = (0..<333 * columns).map { _ in random.normal() }
            let matrix = try DenseMatrix(rows: 333, columns: columns, values: values, type: type)
            let states = (0..<40).map { _ in (0..<columns).map { _ in random.normal() } }
            let scalar = try TwoStage(matrix, scan, kernels: .named("scalar"), threads: 1)
            for set in KernelSet.available {
                for threads in [1, 3] {
                    let head = try TwoStage(matrix, scan, kernels: set, threads: threads)
                    for x in states {
                        let expected = try scalar.products(x, top: 3).part
                        #expect(try head.products(x, top: 3).part == expected)
                    }
                }
            }
        }
    }

    @Test("Q8_0, Q6_K and Q4_0 are scanned where they lie, other types by a copy")
    func types() throws {
        for type in ElementType.allCases {
            let scan = LMHeadScanType(inPlace: type)
            #expect((scan != nil) == [.q8_0, .q6_K, .q4_0].contains(type))
            #expect(LMHeadScan.exactType(for: type) == scan ?? .int8)
            for storage in LMHeadStorage.allCases {
                let expected: LMHeadScanType? =
                    switch storage {
                    case .twoStageExact: scan ?? .int8
                    case .twoStageFast: type == .q4_0 ? .q4_0 : .int4
                    default: scan
                    }
                #expect(storage.scanType(for: type) == expected, "\(storage), \(type)")
            }
        }
    }

    @Test("the fast scan misses none of 10,000 states")
    func fast() throws {
        let sample = try SampleStates.load()
        let trained = try TwoStage(sample.head, .int4)
        var differences = 0
        for x in sample.states.prefix(5000) where try !trained.agrees(x, top: 1) {
            differences += 1
        }
        var random = SplitMix64(seed: 6)
        let matrix = try DenseMatrix(
            rows: 1501, columns: 256, values: (0..<1501 * 256).map { _ in random.normal() },
            type: .f16)
        let untrained = try TwoStage(matrix, .int4)
        let count = 10_000 - min(sample.states.count, 5000)
        for _ in 0..<count {
            let x = (0..<256).map { _ in random.normal() }
            if try !untrained.agrees(x, top: 1) { differences += 1 }
        }
        print("fast head: \(differences) of 10000 greedy tokens differ")
        #expect(differences == 0)
        #expect(untrained.candidates < count * 1501 / 4)
    }

    @Test("the sample model's states keep their top 40", arguments: strictScans)
    func sampleModel(_ type: ElementType, _ scan: LMHeadScanType) throws {
        let sample = try SampleStates.load()
        let matrix = try sample.head.encoded(as: type, pool: Compute.standard.pool)
        let head = try TwoStage(matrix, scan)
        for (index, x) in sample.states.prefix(2000).enumerated() {
            try head.check(x, top: index % 2 == 0 ? 1 : 40)
        }
    }

    @Test(
        "10,000 states at a vocabulary of 128,256",
        .enabled(if: ProcessInfo.processInfo.environment["BITNET_EXHAUSTIVE"] != nil))
    func exhaustive() throws {
        let benchmark = LMHeadBenchmark(rows: 128_256, columns: 2560, states: 10_000)
        for type in [ElementType.f16, .q8_0, .q6_K, .q4_0] {
            try benchmark.run(type, threads: Compute.standard.pool.threads, top: 40) { row in
                let name = "\(row.type) \(row.method.rawValue)"
                print("\(name): \(row.differences) of \(row.states) differ")
                #expect(row.method == .fast || row.differences == 0)
            }
        }
    }
}

/// Hidden states of the sample model on text it has written itself.
struct SampleStates {
    let head: DenseMatrix
    let states: [[Float]]

    static func load() throws -> SampleStates { try cached.get() }

    private static let cached = Result { () throws -> SampleStates in
        let model = try BitNetModel(loading: BitNetSampleModel.url)
        var states: [[Float]] = []
        var random = SplitMix64(seed: 9)
        let length = min(model.configuration.contextLength, 256)
        while states.count < 5000 {
            let context = try InferenceContext(
                model.transformer, contextLength: length, cache: .f16)
            context.probe { step, _, values in
                if step == .finalNorm { states.append(values.storage.array) }
            }
            let tokens = (0..<length).map { _ in
                Int(random.next() % UInt64(model.configuration.vocabularySize))
            }
            _ = try context.allLogits(tokens)
        }
        return SampleStates(head: model.transformer.lmHead, states: states)
    }
}

/// A matrix, its scan, and memory to use both.
private final class TwoStage {
    let matrix: DenseMatrix
    let scan: LMHeadScan
    let scratch: LMHeadScratch
    let compute: Compute
    /// Rows computed so far.
    private(set) var candidates = 0

    init(
        _ matrix: DenseMatrix, _ type: LMHeadScanType, kernels: KernelSet = .best, threads: Int = 1
    ) throws {
        self.matrix = matrix
        compute = Compute(
            kernels: kernels, pool: WorkerPool(threads: threads, sharing: .every))
        scan = try LMHeadScan(matrix, type: type, pool: compute.pool)
        scratch = try LMHeadScratch(scan, threads: threads)
    }

    func products(_ x: [Float], top: Int) throws -> (full: [Float], part: [Float]) {
        let (full, part) = try buffers(x, top: top)
        return (full.array, part.array)
    }

    private func buffers(
        _ x: [Float], top: Int
    ) throws -> (AlignedBuffer<Float>, AlignedBuffer<Float>) {
        let input = try AlignedBuffer(x, purpose: "a test")
        defer { withExtendedLifetime(input) {} }
        let full = try AlignedBuffer<Float>(count: matrix.rows, purpose: "a test")
        let part = try AlignedBuffer<Float>(count: matrix.rows, purpose: "a test")
        compute.multiply(matrix, input.view, into: full.view)
        compute.multiply(
            matrix, scan: scan, top: top, input.view, scratch: scratch, into: part.view)
        candidates += scratch.candidates
        return (full, part)
    }

    func agrees(_ x: [Float], top: Int) throws -> Bool {
        let (full, part) = try buffers(x, top: top)
        defer { withExtendedLifetime((full, part)) {} }
        return part.view.hasTop(top, of: full.view)
    }

    func check(_ x: [Float], top: Int) throws {
        #expect(try agrees(x, top: top))
    }

    func decoded(_ row: Int) -> [Float] {
        var values = [Float](repeating: 0, count: matrix.columns)
        values.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress {
                scan.decodeRow(row, into: BufferView(base: base, count: matrix.columns))
            }
        }
        return values
    }
}

extension SplitMix64 {
    /// About normal, with deviation 1.
    fileprivate mutating func normal() -> Float {
        var sum: Float = 0
        for _ in 0..<6 { sum += nextFloat() }
        return sum * 0.7071
    }
}
