import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

/// What the article says of adders, speed, energy, zeros, small models and GPUs, checked without a
/// clock: by counts, bytes and counters; see `ArticleClaimsTests`.
@Suite("Claims of the article: adders, speed, energy, zeros, small models")
struct ArticleSpeedClaimsTests {
    /// Sums of a matrix by adding and subtracting alone.
    private static func sums(_ trits: [Trit], _ q: [Int], rows: Int) -> [Float] {
        let columns = q.count
        return (0..<rows).map { row in
            var sum = 0
            for column in 0..<columns {
                switch trits[row * columns + column] {
                case .plus: sum += q[column]
                case .minus: sum -= q[column]
                case .zero: break
                }
            }
            return Float(sum)
        }
    }

    @Test(
        "adding and subtracting alone gives what every kernel gives, fast ones with products too",
        arguments: TernaryMatrixTests.Implementation.all)
    func adders(_ implementation: TernaryMatrixTests.Implementation) throws {
        let (rows, columns) = (37, 640)
        var random = SplitMix64(seed: 5)
        let trits = (0..<rows * columns).map { _ in Trit.allCases[Int(random.next() % 3)] }
        // Whole numbers up to 127 are int8 as they are, and the scale is 1.
        let q = (0..<columns).map { $0 == 0 ? 127 : Int(random.next() % 255) - 127 }
        let matrix = try TernaryMatrix(
            rows: rows, columns: columns, scale: .perTensor(1), layout: implementation.layout
        ) { trits[$0 * columns + $1] }
        let found = try matrix.multiply(q.map { Float($0) }, kernels: implementation.kernels)
        #expect(found == Self.sums(trits, q, rows: rows))
    }

    @Test("a comparison names what each kernel does for a weight, and the scalar ones only add")
    func operations() throws {
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 1)
        for batch in [1, 16, 17] {
            let comparison = try benchmark.compare(
                .init(rows: 16, columns: 128, batch: batch), placements: [.cache])
            for row in comparison.rows {
                let expected: MatmulBenchmark.Operation =
                    switch row.layout {
                    case nil: .floatProducts
                    case _ where row.core == "scalar": .additions
                    case .l2 where batch < 17: .lookUps
                    default: .int8Products
                    }
                #expect(row.operation == expected, "\(row.kernel)")
            }
            let text = "\(comparison)"
            let additions = MatmulBenchmark.Operation.additions
            #expect(text.contains("scalar T2, scalar T5, scalar L2: \(additions)".prefix(60)))
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text)")
        }
        // What is said of them holds for their source.
        let folder = ReferenceData.packageRoot.appendingPathComponent("Sources/CTernaryKernels")
        for name in ["ternary/gemv_scalar.c", "ternary/gemm_scalar.c", "sparse/sparse_scalar.c"] {
            let text = try String(
                contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            #expect(text.contains("tk_term(") && !text.contains(#/trits\[\w+\] \*/#), "\(name)")
        }
    }

    @Test("speed is against the fastest float product of the same weights, with bytes a second")
    func speed() throws {
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 1, streamBytes: 1 << 16)
        let (rows, columns) = (64, 640)
        let comparison = try benchmark.compare(.init(rows: rows, columns: columns))
        for placement in MatmulBenchmark.Placement.allCases {
            let measured = comparison.rows.filter { $0.placement == placement }
            let floats = measured.filter { $0.layout == nil }
            // Three rivals, as far as the machine has OpenBLAS.
            #expect(floats.count == FloatBaseline.Kind.allCases.filter(\.isAvailable).count)
            #expect(floats.allSatisfy { $0.speedup == nil })
            let fastest = try #require(floats.map(\.seconds).min())
            for row in measured {
                if row.layout != nil { #expect(row.speedup == fastest / row.seconds) }
                #expect(row.bandwidthShare == row.bytesPerSecond / comparison.limits.bytesPerSecond)
                let bytes = Int((row.bytesPerSecond * row.seconds).rounded())
                let weights = rows * columns
                let expected =
                    switch row.layout {
                    case .t2, .l2: weights / 4
                    case .t5: weights / 5
                    case nil: row.kernel == "OpenBLAS FP32" ? weights * 4 : weights * 2
                    }
                #expect(bytes == expected, "\(row.kernel)")
            }
        }
    }

    @Test("a share of the bandwidth is shown as far as it is one: more came from a cache")
    func shares() {
        #expect(0.5.asBandwidth(width: 6) == "   50%" && 1.0.asBandwidth(width: 6) == "  100%")
        #expect(1.04.asBandwidth(width: 6) == "  104%" && 1.06.asBandwidth(width: 6) == "     -")
        #expect(40.0.asBandwidth(width: 6) == "     -")
    }

    @Test("energy is what counters say, and nothing where they say nothing: never time by watts")
    func energy() throws {
        let machine = try FakeMachine()
        try machine.zone("intel-rapl:0", "package-0", range: 1 << 60)
        machine.watts = ["intel-rapl:0": 20]
        let meter = machine.meter()
        // 100 W for 3 s above 20 W at rest, however long the work seems by another clock.
        machine.watts = ["intel-rapl:0": 120]
        let busy = meter.measure { machine.pass(3) }
        #expect(abs((busy.joules ?? 0) - 300) < 1e-6)
        // Hours of work, and counters that stand still.
        machine.watts = ["intel-rapl:0": 0]
        let still = meter.measure { machine.pass(100) }
        #expect(still.joules == nil && "\(still)".contains("stand still"))
        // No counters, as on most virtual machines.
        let none = EnergyMeter(powercap: "/nowhere/powercap")
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 2, meter: none)
        let rows = try benchmark.compare(.init(rows: 16, columns: 64), placements: [.cache]).rows
        for row in rows {
            #expect(row.energy.joules == nil && "\(row.energy)".contains("/nowhere/powercap"))
            let data = try JSONEncoder().encode(row.energy)
            let object = try JSONSerialization.jsonObject(with: data) as? [String: String]
            #expect(object?.keys.sorted() == ["unavailable"])
        }
    }

    @Test(
        "zeros are as many bytes and as many sums as other weights, and their shares are counted",
        arguments: TernaryLayout.allCases)
    func zeros(_ layout: TernaryLayout) throws {
        let (rows, columns) = (64, 640)
        var sizes: Set<Int> = []
        for share in [0.0, 0.31, 0.4221, 1] {
            let zeros = Int((Double(rows * columns) * share).rounded())
            let matrix = try TernaryMatrix(
                rows: rows, columns: columns, scale: .perTensor(1), layout: layout
            ) { row, column in
                let place = row * columns + column
                return place < zeros ? .zero : place.isMultiple(of: 2) ? .plus : .minus
            }
            sizes.insert(matrix.byteCount)
            let found = matrix.statistics()
            #expect(found.zeros == zeros && found.count == rows * columns)
            #expect(abs(found.negatives - found.positives) <= 1)
        }
        #expect(sizes.count == 1)
    }

    @Test("what zeros do save are whole rows and columns, which a dense product reads all the same")
    func skipping() throws {
        let benchmark = try SkippingBenchmark(threads: 1, repetitions: 1, streamBytes: 1 << 16)
        let rows = try benchmark.run(.init(rows: 64, columns: 640), zeroShares: [0, 0.5, 1])
        for kernel in Set(rows.map(\.kernel)) {
            let bytes = rows.filter { $0.kernel == kernel && $0.placement == .cache }
                .map(\.bytesRead)
            #expect(bytes.count == 3 && bytes[0] > 0 && bytes[2] == 0, "\(kernel)")
            #expect(abs(Double(bytes[1]) / Double(bytes[0]) - 0.5) < 0.03, "\(kernel)")
        }
    }

    @Test("small networks lose more of what float weights can do than larger ones")
    func smallNetworks() throws {
        func loss(hidden: Int) throws -> Double {
            let results = try [UInt64(1), 2].map {
                try RoundingDemonstration.run(seed: $0, epochs: 12, hidden: hidden)
            }
            #expect(results.allSatisfy { $0.hidden == hidden && $0.float > 0.8 })
            return results.reduce(0) { $0 + $1.float - $1.shadow } / Double(results.count)
        }
        #expect(try loss(hidden: 8) > loss(hidden: 32) + 0.2)
        #expect(throws: BitNetError.self) { try RoundingDemonstration.run(hidden: 0) }
    }

    @Test("everything runs on the CPU, and says so: no kernel and no library is of a GPU")
    func noGPU() throws {
        let root = ReferenceData.packageRoot
        let names = [
            "amx", "avx512", "avx512-vnni", "avx-vnni", "avx2", "neon-i8mm",
            "neon-dotprod", "neon", "scalar",
        ]
        #expect(KernelSet.available.allSatisfy { names.contains($0.name) })
        #expect(KernelSet.rejected.allSatisfy { names.contains($0.name) })
        let sources = root.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(atPath: sources.path))
        let libraries = ["Metal", "CoreML", "MPS", "cuda", "hip/", "vulkan", "OpenCL", "CL/"]
        var count = 0
        for case let path as String in files
        where path.hasSuffix(".swift") || path.hasSuffix(".c") || path.hasSuffix(".h") {
            count += 1
            let text = try String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8)
            let imports = text.split(separator: "\n").filter {
                $0.contains("import ") || $0.hasPrefix("#include")
            }
            for library in libraries {
                #expect(!imports.contains { $0.contains(library) }, "\(path): \(library)")
            }
        }
        #expect(count > 100)
        let readme = try String(
            contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
        #expect(readme.prefix(400).contains("CPU"))
    }
}
