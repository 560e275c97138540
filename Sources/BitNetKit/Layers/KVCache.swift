/// How a KV cache stores keys and values.
public enum KVCachePrecision: String, Sendable, Hashable, Codable, CaseIterable {
    /// float32: for comparisons with references.
    case f32
    /// IEEE binary16: half the memory, and half the bytes read per token.
    case f16
    /// int8 with one float32 scale for each position and head: about a quarter of the memory, for
    /// long contexts. Results differ slightly from the others'.
    case int8
}

/// Keys and values of every position decoded so far: for each layer and key-value head,
/// `[capacity, headDimension]`, so that attention reads one contiguous run. Heads have whole numbers
/// of eights there, with zeros at the end where the model's have not.
package struct KVCache: ~Copyable {
    /// Positions that fit.
    let capacity: Int
    /// How keys and values are stored.
    let precision: KVCachePrecision
    /// Positions filled.
    private(set) var position = 0
    private let layers: [Layer]

    init(_ configuration: ModelConfiguration, capacity: Int, precision: KVCachePrecision)
        throws(BitNetError)
    {
        self.capacity = capacity
        self.precision = precision
        var layers: [Layer] = []
        for _ in 0..<configuration.layerCount {
            layers.append(
                try Layer(
                    capacity: capacity, heads: configuration.keyValueHeadCount,
                    headDimension: configuration.headDimension, precision: precision))
        }
        self.layers = layers
    }

    /// A cache of its own with the filled positions of `other`, and room for `capacity` in all.
    init(copying other: borrowing KVCache, capacity: Int) throws(BitNetError) {
        precondition(capacity >= other.position)
        self.capacity = capacity
        precision = other.precision
        position = other.position
        var layers: [Layer] = []
        for layer in other.layers {
            layers.append(
                try Layer(copying: layer, positions: other.position, capacity: capacity))
        }
        self.layers = layers
    }

    func layer(_ index: Int) -> Layer { layers[index] }

    /// Makes positions that every layer has stored count.
    mutating func advance(by count: Int) {
        precondition(position + count <= capacity)
        position += count
    }

    /// Forgets the positions from `position` on, or counts ones that somebody stores another way.
    mutating func set(position: Int) {
        precondition(position >= 0 && position <= capacity)
        self.position = position
    }

    /// Bytes of all keys and values at full capacity.
    var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }

    /// Every filled part of the cache: layer by layer, the keys of every head, then the values.
    var filledParts: [CacheBytes] { layers.flatMap { $0.parts(positions: position) } }
}

extension ModelConfiguration {
    /// Elements that a cache keeps for each position: keys and values of all layers and heads.
    package var cachedElements: Int {
        2 * layerCount * keyValueHeadCount * CacheView.stride(size: headDimension)
    }
}

extension KVCache {
    /// The cache of one layer. Threads store disjoint positions.
    package struct Layer: Sendable {
        private let keyStorage: CacheStorage
        private let valueStorage: CacheStorage
        private let capacity: Int
        private let heads: Int
        private let headDimension: Int
        /// Elements from one vector to the next.
        private var stride: Int { CacheView.stride(size: headDimension) }
        /// The position that counts as the first when keys and values are read.
        private var start = 0

        init(capacity: Int, heads: Int, headDimension: Int, precision: KVCachePrecision)
            throws(BitNetError)
        {
            self.capacity = capacity
            self.heads = heads
            self.headDimension = headDimension
            let stride = CacheView.stride(size: headDimension)
            guard let vectors = elementCount(of: [capacity, heads]),
                elementCount(of: [vectors, stride]) != nil
            else { throw .outOfMemory(bytes: Int.max, purpose: "the KV cache") }
            keyStorage = try CacheStorage(
                vectors: vectors, stride: stride, precision: precision)
            valueStorage = try CacheStorage(
                vectors: vectors, stride: stride, precision: precision)
        }

        /// The first `positions` of `other`, with room for `capacity`.
        init(copying other: Layer, positions: Int, capacity: Int) throws(BitNetError) {
            try self.init(
                capacity: capacity, heads: other.heads, headDimension: other.headDimension,
                precision: other.keyStorage.precision)
            let (new, old) = (parts(positions: positions), other.parts(positions: positions))
            for (target, source) in zip(new, old) { target.copy(from: source) }
        }

        /// Floats of one token's key, or value, of all heads.
        var width: Int { heads * headDimension }

        var byteCount: Int { keyStorage.byteCount + valueStorage.byteCount }

        /// Stores one token's key and value, `[heads * headDimension]` each.
        package func store(
            key: BufferView<Float>, value: BufferView<Float>, position: Int, kernels: KernelSet
        ) {
            for head in 0..<heads {
                let source = head * headDimension..<(head + 1) * headDimension
                let target = head * capacity + position
                keyStorage.store(key[source], at: target, stride: stride, kernels: kernels)
                valueStorage.store(value[source], at: target, stride: stride, kernels: kernels)
            }
        }

        func keys(head: Int) -> CacheView {
            keyStorage.view(head * capacity + start..<(head + 1) * capacity, stride: stride)
        }

        func values(head: Int) -> CacheView {
            valueStorage.view(head * capacity + start..<(head + 1) * capacity, stride: stride)
        }

        /// The same keys and values, read from `position` on.
        func from(position: Int) -> Layer {
            var layer = self
            layer.start += position
            return layer
        }

        /// The first `positions` of all heads' keys, then of their values.
        func parts(positions: Int) -> [CacheBytes] {
            [keyStorage, valueStorage].flatMap { storage in
                (0..<heads).flatMap { head in
                    let first = head * capacity
                    return storage.bytes(first..<first + positions, stride: stride)
                }
            }
        }
    }
}

/// Some bytes of a cache, for copying it and for writing it to a file.
struct CacheBytes {
    private let view: BufferView<UInt8>
    /// The storage that the view looks at.
    private let owner: AnyObject
    /// 4 for float32, 2 for float16, 1 for integers.
    private let elementSize: Int

    init<Element>(_ buffer: AlignedBuffer<Element>, _ range: Range<Int>) {
        view = buffer.view[range].rebound(to: UInt8.self)
        owner = buffer
        elementSize = MemoryLayout<Element>.size
    }

    /// Whether no number is infinite or NaN, whose exponents have every bit set.
    var isFinite: Bool {
        defer { withExtendedLifetime(owner) {} }
        switch elementSize {
        case 4:
            return stride(from: 3, to: view.count, by: 4).allSatisfy {
                view[$0] & 0x7F != 0x7F || view[$0 - 1] & 0x80 == 0
            }
        case 2: return stride(from: 1, to: view.count, by: 2).allSatisfy { view[$0] & 0x7C != 0x7C }
        default: return true
        }
    }

    var count: Int { view.count }

    func copy(from other: CacheBytes) {
        withExtendedLifetime((owner, other.owner)) { view.copy(from: other.view) }
    }

    /// Reads all of `region`, which must have as many bytes.
    func read(from region: FileRegion) throws(BitNetError) {
        defer { withExtendedLifetime(owner) {} }
        try region.read(0..<count, into: view)
    }

    /// Calls `body` with copies of one piece after the other: the whole can be large.
    func forEachPiece(
        _ body: ([UInt8]) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        defer { withExtendedLifetime(owner) {} }
        let size = 1 << 20
        for start in stride(from: 0, to: count, by: size) {
            try body(view[start..<min(start + size, count)].array)
        }
    }
}

/// Vectors of one size, each a key or a value, `stride` elements apart.
private enum CacheStorage: Sendable {
    case f32(AlignedBuffer<Float>)
    case f16(AlignedBuffer<UInt16>)
    case int8(AlignedBuffer<Int8>, scales: AlignedBuffer<Float>)

    init(vectors: Int, stride: Int, precision: KVCachePrecision) throws(BitNetError) {
        let purpose = "the KV cache"
        switch precision {
        case .f32: self = .f32(try AlignedBuffer(count: vectors * stride, purpose: purpose))
        case .f16: self = .f16(try AlignedBuffer(count: vectors * stride, purpose: purpose))
        case .int8:
            self = .int8(
                try AlignedBuffer(count: vectors * stride, purpose: purpose),
                scales: try AlignedBuffer(count: vectors, purpose: purpose))
        }
    }

    var precision: KVCachePrecision {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .int8: .int8
        }
    }

    var byteCount: Int {
        switch self {
        case .f32(let buffer): buffer.count * 4
        case .f16(let buffer): buffer.count * 2
        case .int8(let buffer, let scales): buffer.count + scales.count * 4
        }
    }

    func store(
        _ values: BufferView<Float>, at vector: Int, stride: Int, kernels: KernelSet
    ) {
        let range = vector * stride..<vector * stride + values.count
        switch self {
        case .f32(let buffer): buffer.view[range].copy(from: values)
        case .f16(let buffer): kernels.toHalf(values, into: buffer.view[range])
        case .int8(let buffer, let scales):
            scales.view[vector] = kernels.toCacheInt8(values, into: buffer.view[range])
        }
    }

    func view(_ vectors: Range<Int>, stride: Int) -> CacheView {
        let range = vectors.lowerBound * stride..<vectors.upperBound * stride
        switch self {
        case .f32(let buffer): return .f32(buffer.view[range])
        case .f16(let buffer): return .f16(buffer.view[range])
        case .int8(let buffer, let scales):
            return .int8(buffer.view[range], scales: scales.view[vectors])
        }
    }

    func bytes(_ vectors: Range<Int>, stride: Int) -> [CacheBytes] {
        let range = vectors.lowerBound * stride..<vectors.upperBound * stride
        switch self {
        case .f32(let buffer): return [CacheBytes(buffer, range)]
        case .f16(let buffer): return [CacheBytes(buffer, range)]
        case .int8(let buffer, let scales):
            return [CacheBytes(buffer, range), CacheBytes(scales, vectors)]
        }
    }
}
