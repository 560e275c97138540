internal import BitNetKit

/// Sums over tokens of the gradients of a norm's weight: in blocks of a fixed number of tokens, then
/// over the blocks in their order, so that threads change no bit.
final class NormGradients: @unchecked Sendable {
    static let blockTokens = 32

    private let partial: AlignedBuffer<Float>

    init(tokens: Int, columns: Int) throws(BitNetError) {
        let blocks = (tokens + NormGradients.blockTokens - 1) / NormGradients.blockTokens
        partial = try AlignedBuffer(count: blocks * columns, purpose: "gradients of norms")
    }

    /// Calls `body` for every token, with where to add the gradient of the weight, and adds the sum
    /// to `gradient`.
    func accumulate(
        tokens: Int, into gradient: BufferView<Float>, compute: Compute,
        _ body: (_ thread: Int, _ token: Int, _ sum: BufferView<Float>) -> Void
    ) {
        let columns = gradient.count
        let size = NormGradients.blockTokens
        let blocks = (tokens + size - 1) / size
        let work = tokens * columns * elementWork * 2
        compute.pool.parallelInPieces(blocks, work: work) { thread, range in
            for block in range {
                let sum = partial.view[block * columns..<(block + 1) * columns]
                sum.fill(0)
                for token in block * size..<min((block + 1) * size, tokens) {
                    body(thread, token, sum)
                }
            }
        }
        compute.pool.parallel(columns, granule: 16, work: blocks * columns * elementWork) {
            _, range in
            for block in 0..<blocks {
                let start = block * columns
                let part = partial.view[start + range.lowerBound..<start + range.upperBound]
                compute.kernels.add(part, to: gradient[range])
            }
        }
    }
}
