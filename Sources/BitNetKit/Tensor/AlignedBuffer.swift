#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Owned, zero-filled memory, aligned for vector loads.
///
/// Small buffers are aligned to 64 bytes. From `hugePageBytes` on they are mapped, aligned to 2 MB,
/// and the system is asked for huge pages: reading packed weights from them is 5-10% faster than
/// from 4 KB pages, and untouched parts cost no memory.
///
/// A buffer that holds weights is written once while it is being filled and never again; one that
/// holds scratch has a single owner. That discipline is what makes it `Sendable`.
final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
    /// Number of elements.
    let count: Int
    private let base: UnsafeMutableRawPointer
    private let mappedBytes: Int

    /// Allocates `count` zeroed elements; `purpose` is named in the error when there is no memory.
    init(count: Int, purpose: String) throws(BitNetError) {
        let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(
            by: MemoryLayout<Element>.stride)
        guard count >= 0, !overflow, bytes < Int.max - 2 * hugePageBytes else {
            throw .outOfMemory(bytes: overflow ? Int.max : bytes, purpose: purpose)
        }
        self.count = count
        if bytes >= hugePageBytes {
            (base, mappedBytes) = try mapHugePages(bytes: bytes, purpose: purpose)
        } else {
            mappedBytes = 0
            var pointer: UnsafeMutableRawPointer?
            guard posix_memalign(&pointer, cacheLineBytes, bytes) == 0, let pointer else {
                throw .outOfMemory(bytes: bytes, purpose: purpose)
            }
            memset(pointer, 0, bytes)
            base = pointer
        }
    }

    deinit {
        if mappedBytes > 0 { munmap(base, mappedBytes) } else { free(base) }
    }

    /// The whole buffer. The view does not keep the buffer alive: give the buffer a name that
    /// outlives the view, never take the view of a temporary.
    var view: BufferView<Element> {
        BufferView(base: base.assumingMemoryBound(to: Element.self), count: count)
    }
}

extension AlignedBuffer {
    /// A buffer with a copy of `values`.
    convenience init(_ values: some Collection<Element>, purpose: String) throws(BitNetError) {
        try self.init(count: values.count, purpose: purpose)
        _ = UnsafeMutableBufferPointer(start: view.base, count: count).update(
            fromContentsOf: values)
    }

    /// Copies the elements into an array.
    var array: [Element] { view.array }
}

/// A bounds-checked window on an `AlignedBuffer`, cheap to copy and to hand to another thread.
///
/// It does not own the memory: whoever makes one keeps the buffer alive, and whoever splits one over
/// threads gives each thread its own range.
struct BufferView<Element: BitwiseCopyable>: @unchecked Sendable {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count)
            base[index] = newValue
        }
    }

    subscript(range: Range<Int>) -> BufferView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return BufferView(base: base + range.lowerBound, count: range.count)
    }

    /// The part from `offset` to the end.
    func from(_ offset: Int) -> BufferView { self[offset..<count] }

    /// The same bytes seen as another type of the same size.
    func reinterpreted<Other: BitwiseCopyable>(as type: Other.Type) -> BufferView<Other> {
        precondition(MemoryLayout<Other>.stride == MemoryLayout<Element>.stride)
        return BufferView<Other>(
            base: UnsafeMutableRawPointer(base).assumingMemoryBound(to: Other.self), count: count)
    }

    /// The same bytes as elements of another type, as many as fit.
    func rebound<Other: BitwiseCopyable>(to type: Other.Type) -> BufferView<Other> {
        BufferView<Other>(
            base: UnsafeMutableRawPointer(base).assumingMemoryBound(to: Other.self),
            count: count * MemoryLayout<Element>.stride / MemoryLayout<Other>.stride)
    }

    /// Copies all of `source`, which must have as many bytes.
    func copy(from source: UnsafeRawBufferPointer) {
        precondition(source.count == count * MemoryLayout<Element>.stride)
        guard let start = source.baseAddress else { return }
        UnsafeMutableRawPointer(base).copyMemory(from: start, byteCount: source.count)
    }

    /// Copies all of `source`, which must be as long.
    func copy(from source: BufferView) {
        precondition(source.count == count)
        base.update(from: source.base, count: count)
    }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        body(UnsafeRawBufferPointer(UnsafeBufferPointer(start: base, count: count)))
    }

    func fill(_ value: Element) { base.update(repeating: value, count: count) }

    /// How many elements satisfy `predicate`; without a branch or a trap, so that a simple one is
    /// tried on several elements at a time.
    @inline(__always)
    func count(where predicate: (Element) -> Bool) -> Int {
        var found = 0
        for element in UnsafeBufferPointer(start: base, count: count) {
            found &+= predicate(element) ? 1 : 0
        }
        return found
    }

    var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }

    func withSpan<R, E: Error>(_ body: (Span<Element>) throws(E) -> R) throws(E) -> R {
        try body(UnsafeBufferPointer(start: base, count: count).span)
    }
}

private let cacheLineBytes = 64
private let hugePageBytes = 2 << 20

/// Maps zeroed memory that starts on a 2 MB boundary.
private func mapHugePages(
    bytes: Int, purpose: String
) throws(BitNetError) -> (UnsafeMutableRawPointer, Int) {
    let length = (bytes + hugePageBytes - 1) & ~(hugePageBytes - 1)
    let reserved = length + hugePageBytes
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let start = mmap(nil, reserved, PROT_READ | PROT_WRITE, flags, -1, 0),
        start != MAP_FAILED
    else { throw .outOfMemory(bytes: bytes, purpose: purpose) }
    let address = UInt(bitPattern: start)
    let head = Int((UInt(hugePageBytes) - address % UInt(hugePageBytes)) % UInt(hugePageBytes))
    let aligned = start + head
    if head > 0 { munmap(start, head) }
    munmap(aligned + length, reserved - head - length)
    #if os(Linux)
        madvise(aligned, length, MADV_HUGEPAGE)
    #endif
    return (aligned, length)
}

/// Keys or values of one head as attention reads them.
enum CacheView {
    case f32(BufferView<Float>)
    case f16(BufferView<UInt16>)
    /// Elements, and a scale for each position.
    case int8(BufferView<Int8>, scales: BufferView<Float>)

    var count: Int {
        switch self {
        case .f32(let view): view.count
        case .f16(let view): view.count
        case .int8(let view, _): view.count
        }
    }

    /// The part from a position on, with `size` elements for each position.
    func from(position: Int, size: Int) -> CacheView {
        switch self {
        case .f32(let view): .f32(view.from(position * size))
        case .f16(let view): .f16(view.from(position * size))
        case .int8(let view, let scales):
            .int8(view.from(position * size), scales: scales.from(position))
        }
    }
}
