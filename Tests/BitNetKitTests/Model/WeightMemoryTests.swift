import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Memory of weights")
struct WeightMemoryTests {
    private static let shape = ModelShape(
        hiddenSize: 320, feedForwardSize: 701, layerCount: 3, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 256)

    /// Bytes of these sizes are no multiple of a page, and those of T2's strands none of a cache line.
    @Test(
        "a model's weights lie one behind the other, in the order in which they are read",
        arguments: [TernaryLayout.t2, .t5], Sparsity.allCases)
    func isOnePiece(layout: TernaryLayout, sparsity: Sparsity) throws {
        let model = try BitNetModel.synthetic(
            Self.shape, lmHead: .f16, options: LoadOptions(layout: layout, sparsity: sparsity))
        let matrices = model.transformer.blocks.flatMap { block in
            LinearPart.allCases.map { block[$0].weight }
        }
        var next = try #require(matrices.first).trits.storage.view.base
        for matrix in matrices {
            #expect(matrix.trits.storage.view.base == next)
            next += matrix.byteCount.paddedToCacheLine
        }
    }

    @Test("a matrix that is copied to a part of a buffer is the same, and keeps the buffer alive")
    func partOfABuffer() throws {
        let matrix = try TernaryMatrix(rows: 9, columns: 200, scale: .perTensor(0.5)) {
            [Trit.plus, .zero, .minus][($0 + $1) % 3]
        }
        var copy = matrix
        do {
            let buffer = try AlignedBuffer<UInt8>(count: 3 * matrix.byteCount, purpose: "a test")
            let range = matrix.byteCount..<2 * matrix.byteCount
            copy = try TernaryMatrix(
                copying: matrix, to: AlignedBuffer(range, of: buffer), pool: WorkerPool(threads: 2))
            #expect(buffer.view[0..<matrix.byteCount].array.allSatisfy { $0 == 0 })
            #expect(buffer.view[2 * matrix.byteCount..<buffer.count].array.allSatisfy { $0 == 0 })
        }
        // Takes the memory, if it was free.
        let others = try (0..<8).map { _ throws(BitNetError) in
            try AlignedBuffer<UInt8>(count: 3 * matrix.byteCount, purpose: "a test")
        }
        for other in others { other.view.fill(0xFF) }
        for row in 0..<9 { #expect(copy.trits(ofRow: row) == matrix.trits(ofRow: row)) }
        let x = (0..<200).map { Float($0 % 7) - 3 }
        #expect(try copy.multiply(x) == matrix.multiply(x))
    }
}
