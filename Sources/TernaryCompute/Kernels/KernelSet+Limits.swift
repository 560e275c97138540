internal import CTernaryKernels

extension KernelSet {
    /// Multiplies int8 on registers alone; returns how many products.
    package func int8Peak(rounds: Int) -> Int { Int(tk_int8_peak(kernels, rounds)) }

    /// Reads memory once, front to back, as the kernels read weights.
    package static func read(_ memory: BufferView<UInt8>) -> UInt64 {
        tk_read(memory.base, memory.count)
    }
}
