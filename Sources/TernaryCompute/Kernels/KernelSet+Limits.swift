internal import CTernaryKernels

extension KernelSet {
    /// Multiplies int8 on registers alone; returns how many products.
    package func int8Peak(rounds: Int) -> Int { Int(tk_int8_peak(kernels, rounds)) }

    /// Reads memory once, front to back, as the kernels read weights that they ask for so many bytes
    /// ahead.
    package static func read(_ memory: BufferView<UInt8>, ahead: Int) -> UInt64 {
        tk_read(memory.base, memory.count, ahead)
    }

    /// How many bytes ahead kernels ask for weights that they read from front to back. No result
    /// depends on it; it is one figure for the process (see `LayoutChoice.adoptDistance`).
    package static var prefetchDistance: Int {
        get { tk_prefetch_distance() }
        set { tk_set_prefetch_distance(newValue) }
    }

    /// The distances of which one is fastest on any machine seen so far. More than 16 KiB would
    /// drive out of a level 1 cache what has not been multiplied yet.
    package static let prefetchDistances = [4 << 10, 8 << 10, 12 << 10, 16 << 10]
}
