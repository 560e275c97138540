internal import BitNetKit

/// Memory for the packed factors of float products, and for each thread's blocks of one.
final class ProductScratch: @unchecked Sendable {
    fileprivate let packed: AlignedBuffer<Float>
    private let blocks: AlignedBuffer<Float>

    /// - Parameter packedCount: floats of the largest right factor, packed.
    init(packedCount: Int, threads: Int) throws(BitNetError) {
        packed = try AlignedBuffer(count: packedCount, purpose: "factors of gradients")
        blocks = try AlignedBuffer(
            count: threads * KernelSet.productScratch, purpose: "blocks of gradients")
    }

    func block(thread: Int) -> BufferView<Float> {
        let size = KernelSet.productScratch
        return blocks.view[thread * size..<(thread + 1) * size]
    }
}

extension Compute {
    /// `c (+)= a b`, or with the transposed of `a`, on all threads. An element is one chain of
    /// additions in the order of the depth, whoever computes it.
    func product(
        _ a: MatrixView, isTransposed: Bool = false, _ b: RightFactor, into c: MatrixView,
        accumulates: Bool = false, scratch: ProductScratch
    ) {
        let (depth, columns) = (b.depth, b.columns)
        let packed = scratch.packed.view
        pool.parallel(depth, granule: 16, work: depth * columns * elementWork) { _, depths in
            kernels.pack(b, depths: depths, into: packed)
        }
        let product = FloatProduct(
            a, isTransposed: isTransposed, packed: packed, bDepth: depth, into: c,
            accumulates: accumulates)
        pool.parallelInPieces(c.rows, granule: 64, work: c.rows * depth * columns) {
            thread, rows in
            kernels.product(product, rows: rows, scratch: scratch.block(thread: thread))
        }
    }
}
