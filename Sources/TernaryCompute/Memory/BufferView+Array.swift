// Arrays seen as the memory that kernels take, without a copy.
extension Array where Element: BitwiseCopyable {
    /// Calls `body` with the elements, which it must only read.
    func withView<R, E: Error>(_ body: (BufferView<Element>) throws(E) -> R) throws(E) -> R {
        try withUnsafeBufferPointer { (buffer) throws(E) in
            // An empty array may have no address, and nobody reads through the one it gets.
            let base = buffer.baseAddress ?? UnsafePointer(bitPattern: 64)!
            return try body(
                BufferView(base: UnsafeMutablePointer(mutating: base), count: buffer.count))
        }
    }

    /// Calls `body` with the elements to write them.
    mutating func withMutableView<R, E: Error>(
        _ body: (BufferView<Element>) throws(E) -> R
    ) throws(E) -> R {
        try withUnsafeMutableBufferPointer { (buffer) throws(E) in
            let base = buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: 64)!
            return try body(BufferView(base: base, count: buffer.count))
        }
    }
}
