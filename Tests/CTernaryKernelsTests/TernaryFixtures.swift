import CTernaryKernels
import TestSupport
import Testing

/// A kernel set that this CPU supports, by its place in the grid.
struct TernarySet: Sendable, CustomTestStringConvertible {
    let index: Int
    var pointer: OpaquePointer { tk_kernel_set(index) }
    var testDescription: String { String(cString: tk_kernel_set_name(pointer)) }

    static let supported = (0..<tk_kernel_set_count()).map(TernarySet.init)
        .filter { tk_kernel_set_supported($0.pointer) }
    static let scalar = TernarySet(index: tk_kernel_set_count() - 1)
}

let ternaryLayouts = [TK_LAYOUT_T2, TK_LAYOUT_T5, TK_LAYOUT_L2]

/// A packed matrix in 64-byte aligned memory.
final class PackedTernary {
    let bytes: UnsafeMutableRawBufferPointer
    let matrix: tk_matrix

    /// Packs `trits[rows, columns]` in two calls, as two threads would.
    init(_ trits: [Int8], rows: Int, columns: Int, layout: tk_layout) {
        bytes = .allocate(byteCount: tk_packed_size(layout, rows, columns), alignment: 64)
        let packed = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let split = rows / 8 * 4
        tk_pack(layout, trits, rows, columns, 0, split, packed)
        tk_pack(layout, Array(trits[(split * columns)...]), rows, columns, split, rows, packed)
        matrix = tk_matrix(data: packed, rows: rows, columns: columns, layout: layout)
    }

    deinit { bytes.deallocate() }

    func unpacked(_ rows: Range<Int>) -> [Int8] {
        var trits = [Int8](repeating: 2, count: rows.count * matrix.columns)
        withUnsafePointer(to: matrix) { tk_unpack($0, rows.lowerBound, rows.upperBound, &trits) }
        return trits
    }
}

/// Activations as `tk_quantize` leaves them: values, then padding.
struct TernaryActivations {
    var q: [Int8]
    var sum: Int32 = 0
    var scale: Float = 0

    init(_ x: [Float], _ set: TernarySet) {
        q = [Int8](repeating: 99, count: x.count + Int(TK_ACTIVATION_PADDING))
        scale = tk_quantize(set.pointer, x, x.count, &q, &sum)
    }

    init(values: [Int8]) {
        q = values + [Int8](repeating: 0, count: Int(TK_ACTIVATION_PADDING))
        sum = values.reduce(0) { $0 + Int32($1) }
    }
}

extension TernarySet {
    func gemv(_ w: PackedTernary, _ x: TernaryActivations) -> [Int32] {
        var y = [Int32](repeating: .min, count: w.matrix.rows)
        let width = tk_block_columns(w.matrix.layout)
        let blocks = (w.matrix.columns + width - 1) / width
        withUnsafePointer(to: w.matrix) {
            tk_gemv(pointer, $0, x.q, x.sum, 0, blocks, 0, w.matrix.rows, &y)
        }
        return y
    }

    /// One row of results per token.
    func gemm(_ w: PackedTernary, _ tokens: [TernaryActivations]) -> [Int32] {
        var y = [Int32](repeating: .min, count: tokens.count * w.matrix.rows)
        withUnsafePointer(to: w.matrix) {
            let scratch = UnsafeMutableRawPointer.allocate(
                byteCount: tk_gemm_scratch_size(pointer, $0), alignment: 64)
            defer { scratch.deallocate() }
            tk_gemm(
                pointer, $0, tokens.flatMap(\.q), tokens[0].q.count, tokens.map(\.sum),
                tokens.count, 0, w.matrix.rows, &y, w.matrix.rows, scratch)
        }
        return y
    }
}

/// `W x` by the definition, for tests to compare with.
func plainProduct(_ trits: [Int8], _ x: [Int8], rows: Int, columns: Int) -> [Int32] {
    var y = [Int32](repeating: 0, count: rows)
    for r in 0..<rows {
        for c in 0..<columns { y[r] += Int32(trits[r * columns + c]) * Int32(x[c]) }
    }
    return y
}

func randomTrits(_ count: Int, seed: UInt64) -> [Int8] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in random.nextTrit() }
}
