/// A bounds-checked window on an `AlignedBuffer`, cheap to copy and to hand to another thread.
///
/// It does not own the memory: whoever makes one keeps the buffer alive, and whoever splits one over
/// threads gives each thread its own range.
@usableFromInline package struct BufferView<Element: BitwiseCopyable>: @unchecked Sendable {
    @usableFromInline package let base: UnsafeMutablePointer<Element>
    @usableFromInline package let count: Int

    @inlinable
    package init(base: UnsafeMutablePointer<Element>, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable
    package subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count)
            base[index] = newValue
        }
    }

    @inlinable
    package subscript(range: Range<Int>) -> BufferView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return BufferView(base: base + range.lowerBound, count: range.count)
    }

    /// The part from `offset` to the end.
    @inlinable
    package func from(_ offset: Int) -> BufferView { self[offset..<count] }

    /// The same bytes seen as another type of the same size.
    @inlinable
    package func reinterpreted<Other: BitwiseCopyable>(as type: Other.Type) -> BufferView<Other> {
        precondition(MemoryLayout<Other>.stride == MemoryLayout<Element>.stride)
        return BufferView<Other>(
            base: UnsafeMutableRawPointer(base).assumingMemoryBound(to: Other.self), count: count)
    }

    /// The same bytes as elements of another type, as many as fit.
    @inlinable
    package func rebound<Other: BitwiseCopyable>(to type: Other.Type) -> BufferView<Other> {
        BufferView<Other>(
            base: UnsafeMutableRawPointer(base).assumingMemoryBound(to: Other.self),
            count: count * MemoryLayout<Element>.stride / MemoryLayout<Other>.stride)
    }

    /// Copies all of `source`, which must have as many bytes.
    @inlinable
    package func copy(from source: UnsafeRawBufferPointer) {
        precondition(source.count == count * MemoryLayout<Element>.stride)
        guard let start = source.baseAddress else { return }
        UnsafeMutableRawPointer(base).copyMemory(from: start, byteCount: source.count)
    }

    /// Copies all of `source`, which must be as long.
    @inlinable
    package func copy(from source: BufferView) {
        precondition(source.count == count)
        base.update(from: source.base, count: count)
    }

    /// The memory of the elements.
    @inlinable
    package var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(start: base, count: count))
    }

    @inlinable
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        body(UnsafeRawBufferPointer(UnsafeBufferPointer(start: base, count: count)))
    }

    @inlinable
    package func fill(_ value: Element) { base.update(repeating: value, count: count) }

    /// How many elements satisfy `predicate`; without a branch or a trap, so that a simple one is
    /// tried on several elements at a time.
    @inlinable @inline(__always)
    package func count(where predicate: (Element) -> Bool) -> Int {
        var found = 0
        for element in UnsafeBufferPointer(start: base, count: count) {
            found &+= predicate(element) ? 1 : 0
        }
        return found
    }

    @inlinable
    package var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }

    @inlinable
    package func withSpan<R, E: Error>(_ body: (Span<Element>) throws(E) -> R) throws(E) -> R {
        try body(UnsafeBufferPointer(start: base, count: count).span)
    }
}
