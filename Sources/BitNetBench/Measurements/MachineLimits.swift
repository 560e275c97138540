#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The most this machine can do with a number of threads, measured in the same run as whatever is
/// compared with it.
///
/// ```swift
/// let limits = try MachineLimits.measure(threads: 2)
/// print(limits.bytesPerSecond / 1e9, "GB/s")
/// ```
public struct MachineLimits: Sendable, Hashable, Codable {
    /// Threads that measured.
    public let threads: Int
    /// Bytes a second read from memory, front to back, in huge pages where the system has them.
    public let bytesPerSecond: Double
    /// Int8 products a second on registers alone, by multiplication.
    public let int8PerSecond: Double

    /// Measures both, which takes a second or two.
    ///
    /// - Parameters:
    ///   - kernels: whose int8 products are counted.
    ///   - threads: threads that read and multiply at the same time, 1 to 1024.
    ///   - repetitions: how often each is measured, at least once; the medians count.
    /// - Throws: `BitNetError.invalidArgument`, `.outOfMemory` (512 MB are read).
    public static func measure(
        kernels: KernelSet = .best, threads: Int, repetitions: Int = 7
    ) throws(BitNetError) -> MachineLimits {
        let pool = try WorkerPool.benchmark(threads: threads)
        let repetitions = max(repetitions, 1)
        // Far larger than any cache of the machines this is meant for.
        let memory = try AlignedBuffer<UInt8>(count: 512 << 20, purpose: "measuring bandwidth")
        pool.parallel(memory.count, granule: 64, work: memory.count) { _, range in
            memory.view[range].fill(1)
        }
        // As far ahead as is best here: it is a limit.
        var speeds = KernelSet.prefetchDistances.map { _ in [Double]() }
        for _ in 0..<repetitions {
            for (index, distance) in KernelSet.prefetchDistances.enumerated() {
                let time = try seconds {
                    pool.parallel(memory.count, granule: 64, work: memory.count) { _, range in
                        _ = KernelSet.read(memory.view[range], ahead: distance)
                    }
                }
                speeds[index].append(Double(memory.count) / time)
            }
        }
        return MachineLimits(
            threads: pool.threads, bytesPerSecond: speeds.map { Spread($0).median }.max() ?? 0,
            int8PerSecond: try int8(kernels, pool, repetitions))
    }

    private static func int8(
        _ kernels: KernelSet, _ pool: WorkerPool, _ repetitions: Int
    ) throws(BitNetError) -> Double {
        let products = kernels.int8Peak(rounds: 1)
        var rounds = 1
        // Long enough that it does not matter when threads begin: the sets differ by a factor of a
        // thousand.
        while try seconds({ _ = kernels.int8Peak(rounds: rounds) }) < 2e-3 { rounds *= 2 }
        var speeds: [Double] = []
        for _ in 0..<repetitions {
            let time = try seconds { pool.run { _ in _ = kernels.int8Peak(rounds: rounds) } }
            speeds.append(Double(products * rounds * pool.threads) / time)
        }
        return Spread(speeds).median
    }

    /// Seconds from handing a job to all threads until all have done it: the median of many empty
    /// jobs, one right after the other as the layers of a model give them.
    ///
    /// - Throws: `BitNetError.invalidArgument` unless there are 1 to 1024 threads.
    public static func dispatchSeconds(
        threads: Int, jobs: Int = 50_000
    ) throws(BitNetError) -> Double {
        let pool = try WorkerPool.benchmark(threads: threads)
        var times: [Double] = []
        for _ in 0..<max(jobs, 1) { times.append(try seconds { pool.run { _ in } }) }
        return Spread(times).median
    }

    /// How fast a large model's weights go by in one layout.
    public struct LayoutSpeed: Sendable, Hashable, Codable {
        /// How the trits are packed.
        public let layout: TernaryLayout
        /// Weights a second that a GEMV reads from memory and multiplies.
        public let weightsPerSecond: Double
    }

    /// The speed of each layout that a large model may be packed in, the fastest first. Loading
    /// chooses by the same measurement.
    ///
    /// - Throws: `BitNetError.invalidArgument` unless there are 1 to 1024 threads, `.outOfMemory`.
    public static func layoutSpeeds(
        kernels: KernelSet = .best, threads: Int
    ) throws(BitNetError) -> [LayoutSpeed] {
        try layoutChoice(kernels, threads).weightsPerSecond
            .sorted { $0.value > $1.value }
            .map { LayoutSpeed(layout: $0.key, weightsPerSecond: $0.value) }
    }

    /// How many bytes ahead of those that it multiplies a GEMV best asks for weights, measured as
    /// loading does.
    ///
    /// - Throws: `BitNetError.invalidArgument` unless there are 1 to 1024 threads, `.outOfMemory`.
    public static func prefetchDistance(
        kernels: KernelSet = .best, threads: Int
    ) throws(BitNetError) -> Int {
        try layoutChoice(kernels, threads).prefetchDistance
    }

    private static func layoutChoice(
        _ kernels: KernelSet, _ threads: Int
    ) throws(BitNetError) -> LayoutChoice {
        try LayoutChoice.measured(
            Compute(kernels: kernels, pool: .benchmark(threads: threads)))
    }

    /// The most memory this process has used so far, in bytes.
    public static var peakMemory: Int {
        var usage = rusage()
        #if canImport(Glibc)
            let itself = __rusage_who_t(RUSAGE_SELF.rawValue)
        #else
            let itself = RUSAGE_SELF
        #endif
        #if canImport(Darwin)
            let bytesPerUnit = 1
        #else
            let bytesPerUnit = 1024
        #endif
        guard getrusage(itself, &usage) == 0 else { return 0 }
        return usage.ru_maxrss * bytesPerUnit
    }
}

extension MachineLimits {
    /// The medians of what was measured with one number of threads.
    init(medianOf samples: [MachineLimits]) {
        precondition(!samples.isEmpty)
        threads = samples[0].threads
        bytesPerSecond = Spread(samples.map(\.bytesPerSecond)).median
        int8PerSecond = Spread(samples.map(\.int8PerSecond)).median
    }
}
