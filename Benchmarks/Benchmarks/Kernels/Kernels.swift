import Benchmark
import BitNetBench
import CTernaryKernels

// One ternary product for each kernel set and layout, and the float products of the same shape, with
// the weights in cache as far as they fit: regressions show here first. `bitnet bench matmul` compares
// the same kernels with memory too.

/// A packed random matrix and quantised activations.
final class Product {
    let rows: Int
    let columns: Int
    let layout: tk_layout
    private let packed: UnsafeMutableRawPointer
    private let activations: UnsafeMutablePointer<Int8>
    private let sums: UnsafeMutablePointer<Int32>
    private let kernels: OpaquePointer
    private var sum: Int32 = 0

    /// - Parameter kernels: a set that this CPU supports.
    init(rows: Int, columns: Int, layout: tk_layout, kernels: OpaquePointer) {
        self.kernels = kernels
        self.rows = rows
        self.columns = columns
        self.layout = layout
        let size = tk_packed_size(layout, rows, columns)
        packed = .allocate(byteCount: size, alignment: 64)
        activations = .allocate(capacity: columns + Int(TK_ACTIVATION_PADDING))
        sums = .allocate(capacity: rows)
        let trits = (0..<rows * columns).map { Int8($0 * 7 % 11 % 3) - 1 }
        tk_pack(
            layout, trits, rows, columns, 0, rows, packed.assumingMemoryBound(to: UInt8.self))
        let x = (0..<columns).map { Float($0 * 37 % 255 - 127) }
        _ = tk_quantize(kernels, x, columns, activations, &sum)
    }

    deinit {
        packed.deallocate()
        activations.deallocate()
        sums.deallocate()
    }

    /// One GEMV.
    func run() {
        var matrix = tk_matrix(
            data: packed.assumingMemoryBound(to: UInt8.self), rows: rows, columns: columns,
            layout: layout)
        let width = tk_block_columns(layout)
        let blocks = (columns + width - 1) / width
        tk_gemv(kernels, &matrix, activations, sum, 0, blocks, 0, rows, sums)
        blackHole(sums[0])
    }
}

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], warmupIterations: 10, scalingFactor: .kilo,
        maxDuration: .seconds(2))
    for index in 0..<tk_kernel_set_count() {
        nonisolated(unsafe) let kernels = tk_kernel_set(index)
        let name = String(cString: tk_kernel_set_name(kernels))
        // Scalar is the specification, not something to be fast.
        guard name != "scalar", tk_kernel_set_supported(kernels) else { continue }
        for layout in [TK_LAYOUT_T2, TK_LAYOUT_T5] {
            let title = "GEMV 2560x2560 \(name) \(String(cString: tk_layout_name(layout)))"
            Benchmark(title) { benchmark in
                let product = Product(
                    rows: 2560, columns: 2560, layout: layout, kernels: kernels)
                benchmark.startMeasurement()
                for _ in benchmark.scaledIterations { product.run() }
            }
        }
    }
    for kind in FloatBaseline.Kind.allCases where kind.isAvailable {
        Benchmark("GEMV 2560x2560 float \(kind.rawValue)") { benchmark in
            let weights: [Float] = (0..<2560 * 2560).map { Float($0 * 7 % 23 - 11) }
            let matrix = try FloatBaseline(
                kind, rows: 2560, columns: 2560, weights: weights, threads: 1)
            let workspace = try FloatBaseline.Workspace(for: matrix)
            let x: [Float] = (0..<2560).map { Float($0 * 37 % 255 - 127) }
            var y = [Float](repeating: 0, count: 2560)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations {
                try matrix.multiply(x, into: &y, workspace: workspace)
            }
            blackHole(y[0])
        }
    }
}
