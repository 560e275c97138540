internal import Synchronization

/// How tests see that running out of memory hurts nobody: all large memory comes from
/// `AlignedBuffer`, which asks here, and one of its allocations fails as if there were none left.
/// Also counts the bytes of all buffers, which have to be as many afterwards as before.
///
/// One for the process, so that a test of it needs a process of its own. While it is off, a buffer
/// costs the read of a flag.
package enum AllocationFaults {
    private static let isOn = Atomic(false)
    private static let failing = Atomic(0)
    private static let allocations = Atomic(0)
    private static let bytes = Atomic(0)

    /// Starts to count, from none. Before any buffer is made, if bytes are to be counted.
    package static func begin() { isOn.store(true, ordering: .sequentiallyConsistent) }

    /// Lets allocation `number` from now on fail, the first of which is 1; with 0 none.
    package static func fail(_ number: Int) {
        allocations.store(0, ordering: .sequentiallyConsistent)
        failing.store(number, ordering: .sequentiallyConsistent)
    }

    /// Allocations since the latest `fail`.
    package static var allocationCount: Int { allocations.load(ordering: .sequentiallyConsistent) }

    /// Bytes of the buffers there are.
    package static var liveBytes: Int { bytes.load(ordering: .sequentiallyConsistent) }

    /// Whether the buffer that is about to be made is the one to fail; counts it.
    @inline(__always)
    static var isNextFailing: Bool {
        guard isOn.load(ordering: .relaxed) else { return false }
        return allocations.add(1, ordering: .sequentiallyConsistent).newValue
            == failing.load(ordering: .sequentiallyConsistent)
    }

    /// Notes that there is a buffer of `count` bytes.
    @inline(__always)
    static func noteBegin(of count: Int) {
        guard isOn.load(ordering: .relaxed) else { return }
        bytes.add(count, ordering: .sequentiallyConsistent)
    }

    /// Notes that a buffer of `count` bytes is gone.
    @inline(__always)
    static func noteEnd(of count: Int) {
        guard isOn.load(ordering: .relaxed) else { return }
        bytes.subtract(count, ordering: .sequentiallyConsistent)
    }
}
