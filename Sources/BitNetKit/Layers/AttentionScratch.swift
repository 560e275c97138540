/// Where scores wait for their weights: for each thread those of a group of heads, or of eight heads
/// of a larger one, at every position of a context. Where four heads share keys that is 16 bytes for
/// each thread and position.
struct AttentionScratch: Sendable {
    /// Heads whose scores fit.
    let heads: Int
    /// Heads that each thread has to itself.
    let headsPerThread: Int
    /// Floats from the scores of one head to those of the next.
    let stride: Int
    private let scoreStorage: AlignedBuffer<Float>
    private let totalStorage: AlignedBuffer<Float>

    init(threads: Int, groupSize: Int, contextLength: Int) throws(BitNetError) {
        headsPerThread = min(groupSize, 8)
        heads = threads * headsPerThread
        // A vector more than there are positions: heads a power of two apart would share the same
        // few places of level 1.
        let vectors = contextLength / 16 + 1
        guard let count = elementCount(of: [heads, vectors, 16]) else {
            throw .outOfMemory(bytes: Int.max, purpose: "attention scores")
        }
        stride = vectors * 16
        scoreStorage = try AlignedBuffer(count: count, purpose: "attention scores")
        totalStorage = try AlignedBuffer(count: heads, purpose: "attention scores")
    }

    /// Bytes of all its memory.
    var byteCount: Int { (scoreStorage.count + totalStorage.count) * 4 }

    /// The scores of head `head`, and those that follow. A thread's own heads begin at
    /// `thread * headsPerThread`.
    func scores(_ head: Int) -> BufferView<Float> { scoreStorage.view.from(head * stride) }

    /// The sums of the weights of some heads.
    func totals(_ heads: Range<Int>) -> BufferView<Float> { totalStorage.view[heads] }
}
