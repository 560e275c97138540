import TestSupport

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A ternary matrix as arrays, and its product as plain loops: what `TernaryMatrix` must give, bit
/// for bit.
struct PlainTernary {
    let rows: Int
    let columns: Int
    let trits: [Int8]
    let scale: TernaryScale

    init(rows: Int, columns: Int, scale: TernaryScale, seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        self.rows = rows
        self.columns = columns
        self.scale = scale
        trits = (0..<rows * columns).map { _ in generator.nextTrit() }
    }

    func matrix(_ layout: TernaryLayout) throws(BitNetError) -> TernaryMatrix {
        try TernaryMatrix(rows: rows, columns: columns, scale: scale, layout: layout) {
            Trit(rawValue: trits[$0 * columns + $1]) ?? .zero
        }
    }

    /// Columns that share a scale.
    private var groupSize: Int {
        if case .perGroup(let size, _) = scale { size } else { columns }
    }

    private func beta(row: Int, group: Int) -> Float {
        switch scale {
        case .perTensor(let beta): beta
        case .perRow(let betas): betas[row]
        case .perGroup(let size, let betas): betas[row * (columns / size) + group]
        }
    }

    /// The int8 values of one input, and the factor they were made with.
    static func quantize(_ x: [Float]) -> (q: [Int], scale: Float) {
        let largest = max(x.map(abs).max() ?? 0, 1e-5)
        let scale = 1 / largest * 127
        let q = x.map { value in
            min(max(Int((value * scale).rounded(.toNearestOrEven)), -127), 127)
        }
        return (q, scale)
    }

    /// `W x` for every input in `x`.
    func multiply(_ x: [Float]) -> [Float] {
        stride(from: 0, to: x.count, by: columns).flatMap { start in
            let (q, scale) = PlainTernary.quantize(Array(x[start..<start + columns]))
            return (0..<rows).map { row in product(row, q, scale) }
        }
    }

    private func product(_ row: Int, _ q: [Int], _ scale: Float) -> Float {
        var y: Float = 0
        for group in 0..<columns / groupSize {
            var sum = 0
            for column in group * groupSize..<(group + 1) * groupSize {
                sum += Int(trits[row * columns + column]) * q[column]
            }
            let factor = Double(beta(row: row, group: group)) / Double(scale)
            y += Float(Double(sum) * factor)
        }
        return y
    }
}

func randomFloats(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in generator.nextFloat() * scale }
}
