#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Whether the system still starts threads.
package enum ThreadCheck {
    /// Starts a thread that ends at once.
    ///
    /// A dispatch queue that gets no thread waits for one without end, and nobody learns why: what
    /// is about to need one asks here first.
    ///
    /// - Throws: `BitNetError.outOfMemory` where the system refuses.
    package static func run() throws(BitNetError) {
        #if canImport(Glibc)
            var handle = pthread_t()
        #else
            var handle: pthread_t?
        #endif
        guard pthread_create(&handle, nil, { _ in nil }, nil) == 0 else {
            throw .outOfMemory(bytes: stackBytes, purpose: "a thread, which the system refuses")
        }
        #if canImport(Glibc)
            pthread_join(handle, nil)
        #else
            if let handle { pthread_join(handle, nil) }
        #endif
    }

    /// What a thread's stack takes of the address space, by default.
    private static let stackBytes = 8 << 20
}
