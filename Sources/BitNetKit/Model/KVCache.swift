/// How a KV cache stores keys and values.
public enum KVCachePrecision: String, Sendable, Hashable {
    /// float32: for comparisons with references.
    case f32
    /// IEEE binary16: half the memory, and half the bytes read per token.
    case f16
}

/// Keys and values of every position decoded so far: for each layer and key-value head,
/// `[capacity, headDimension]`, so that attention reads one contiguous run.
struct KVCache: ~Copyable {
    /// Positions that fit.
    let capacity: Int
    /// Positions filled.
    private(set) var position = 0
    private let layers: [Layer]

    init(_ configuration: ModelConfiguration, capacity: Int, precision: KVCachePrecision)
        throws(BitNetError)
    {
        self.capacity = capacity
        var layers: [Layer] = []
        for _ in 0..<configuration.layerCount {
            layers.append(
                try Layer(
                    capacity: capacity, heads: configuration.keyValueHeadCount,
                    headDimension: configuration.headDimension, precision: precision))
        }
        self.layers = layers
    }

    func layer(_ index: Int) -> Layer { layers[index] }

    /// Makes positions that every layer has stored count.
    mutating func advance(by count: Int) {
        precondition(position + count <= capacity)
        position += count
    }

    /// Forgets the positions from `position` on, or counts ones that were never stored as if they
    /// held zeros: a benchmark at some depth reads them all the same.
    mutating func set(position: Int) {
        precondition(position >= 0 && position <= capacity)
        self.position = position
    }

    /// Bytes of all keys and values at full capacity.
    var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }
}

extension KVCache {
    /// The cache of one layer. Threads store disjoint positions.
    struct Layer: Sendable {
        private let keyStorage: CacheStorage
        private let valueStorage: CacheStorage
        private let capacity: Int
        private let heads: Int
        private let headDimension: Int

        init(capacity: Int, heads: Int, headDimension: Int, precision: KVCachePrecision)
            throws(BitNetError)
        {
            self.capacity = capacity
            self.heads = heads
            self.headDimension = headDimension
            guard let count = elementCount(of: [capacity, heads, headDimension]) else {
                throw .outOfMemory(bytes: Int.max, purpose: "the KV cache")
            }
            keyStorage = try CacheStorage(count: count, precision: precision)
            valueStorage = try CacheStorage(count: count, precision: precision)
        }

        var byteCount: Int { keyStorage.byteCount + valueStorage.byteCount }

        /// Stores one token's key and value, `[heads * headDimension]` each.
        func store(
            key: BufferView<Float>, value: BufferView<Float>, position: Int, kernels: KernelSet
        ) {
            for head in 0..<heads {
                let source = head * headDimension..<(head + 1) * headDimension
                let target = (head * capacity + position) * headDimension
                keyStorage.store(key[source], at: target, kernels: kernels)
                valueStorage.store(value[source], at: target, kernels: kernels)
            }
        }

        func keys(head: Int) -> CacheView { keyStorage.view(range(of: head)) }
        func values(head: Int) -> CacheView { valueStorage.view(range(of: head)) }

        private func range(of head: Int) -> Range<Int> {
            head * capacity * headDimension..<(head + 1) * capacity * headDimension
        }
    }
}

private enum CacheStorage: Sendable {
    case f32(AlignedBuffer<Float>)
    case f16(AlignedBuffer<UInt16>)

    init(count: Int, precision: KVCachePrecision) throws(BitNetError) {
        switch precision {
        case .f32: self = .f32(try AlignedBuffer(count: count, purpose: "the KV cache"))
        case .f16: self = .f16(try AlignedBuffer(count: count, purpose: "the KV cache"))
        }
    }

    var byteCount: Int {
        switch self {
        case .f32(let buffer): buffer.count * 4
        case .f16(let buffer): buffer.count * 2
        }
    }

    func store(_ values: BufferView<Float>, at offset: Int, kernels: KernelSet) {
        let range = offset..<offset + values.count
        switch self {
        case .f32(let buffer): buffer.view[range].copy(from: values)
        case .f16(let buffer): kernels.toHalf(values, into: buffer.view[range])
        }
    }

    func view(_ range: Range<Int>) -> CacheView {
        switch self {
        case .f32(let buffer): .f32(buffer.view[range])
        case .f16(let buffer): .f16(buffer.view[range])
        }
    }
}
