/// Whether zeros make dense products faster: one matrix shape with more and more zero weights.
///
/// Packed trits take the same bytes and the same instructions whatever they are, so the speed is flat;
/// what can be left out are whole rows and columns of zeros.
public struct ZerosDemonstration: Sendable, Hashable, Codable {
    /// Share of zero weights, in [0, 1].
    public let zeroShare: Double
    /// Bytes of the packed matrix.
    public let bytes: Int
    /// Weights a second.
    public let weightsPerSecond: Spread

    /// Measures matrices with 0, 31 (what rounding Gaussian weights gives), 42 (what 2B-4T has), 70 and
    /// 90% zeros in turn.
    ///
    /// - Parameters:
    ///   - rows: rows of the matrix.
    ///   - columns: columns, 1 to 2^23.
    ///   - layout: how the trits are packed.
    ///   - kernels: what computes.
    ///   - repetitions: rounds, at least one.
    /// - Throws: `BitNetError.invalidArgument` for a shape out of range, `.outOfMemory`.
    public static func run(
        rows: Int = 2560, columns: Int = 2560, layout: TernaryLayout = .t2,
        kernels: KernelSet = .best, repetitions: Int = 25
    ) throws(BitNetError) -> [ZerosDemonstration] {
        let shares = [0, 0.31, 0.4221, 0.7, 0.9]
        let input = (0..<columns).map { Float($0 % 255 - 127) }
        var matrices: [TernaryMatrix] = []
        for (index, share) in shares.enumerated() {
            var random = SeededGenerator(seed: UInt64(index))
            let limit = UInt64(share * 65_536)
            matrices.append(
                try TernaryMatrix(
                    rows: rows, columns: columns, scale: .perTensor(1), layout: layout
                ) { _, _ in
                    let bits = random.next()
                    return bits & 0xFFFF < limit ? .zero : bits >> 63 == 0 ? .plus : .minus
                })
        }
        var speeds = [[Double]](repeating: [], count: shares.count)
        for round in 0...max(1, repetitions) {
            for (index, matrix) in matrices.enumerated() {
                let time = try seconds { () throws(BitNetError) in
                    _ = try matrix.multiply(input, kernels: kernels)
                }
                // The first round warms up.
                if round > 0 { speeds[index].append(Double(rows * columns) / time) }
            }
        }
        return shares.indices.map {
            ZerosDemonstration(
                zeroShare: matrices[$0].statistics().zeroShare, bytes: matrices[$0].byteCount,
                weightsPerSecond: Spread(speeds[$0]))
        }
    }
}
