/// Bytes that somebody else holds, and who: they stay where they are as long as `owner` lives.
package struct BorrowedBytes: @unchecked Sendable {
    let start: UnsafeRawPointer
    let count: Int
    private let owner: any AnyObject & Sendable

    /// - Parameters:
    ///   - bytes: at least one byte, never written while `owner` lives.
    ///   - owner: keeps the bytes where they are.
    package init(_ bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
        precondition(!bytes.isEmpty)
        start = bytes.baseAddress!
        count = bytes.count
        self.owner = owner
    }

    /// Whether they begin at a multiple of `alignment`.
    package func isAligned(to alignment: Int) -> Bool { Int(bitPattern: start) % alignment == 0 }
}
