#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The most this machine can do with a number of threads, measured in the same run as whatever is
/// compared with it.
package struct MachineLimits: Sendable, Hashable {
    package let threads: Int
    /// Bytes a second read from memory, front to back, in huge pages where the system has them.
    package let bytesPerSecond: Double
    /// Int8 products a second on registers alone.
    package let int8PerSecond: Double

    /// Takes less than a second.
    package static func measure(
        kernels: KernelSet, threads: Int, repetitions: Int = 7
    ) throws(BitNetError) -> MachineLimits {
        let pool = WorkerPool(threads: threads)
        // Far larger than any cache of the machines this is meant for.
        let memory = try AlignedBuffer<UInt8>(count: 512 << 20, purpose: "measuring bandwidth")
        pool.parallel(memory.count, granule: 64, work: memory.count) { _, range in
            memory.view[range].fill(1)
        }
        var speeds: [Double] = []
        for _ in 0..<repetitions {
            let time = try seconds {
                pool.parallel(memory.count, granule: 64, work: memory.count) { _, range in
                    _ = KernelSet.read(memory.view[range])
                }
            }
            speeds.append(Double(memory.count) / time)
        }
        return MachineLimits(
            threads: threads, bytesPerSecond: Spread(speeds).median,
            int8PerSecond: try int8(kernels, pool, repetitions))
    }

    private static func int8(
        _ kernels: KernelSet, _ pool: WorkerPool, _ repetitions: Int
    ) throws(BitNetError) -> Double {
        let products = kernels.int8Peak(rounds: 1)
        let rounds = 40_000_000 / products * 10
        var speeds: [Double] = []
        for _ in 0..<repetitions {
            let time = try seconds { pool.run { _ in _ = kernels.int8Peak(rounds: rounds) } }
            speeds.append(Double(products * rounds * pool.threads) / time)
        }
        return Spread(speeds).median
    }

    /// Seconds from handing a job to all threads until all have done it: the median of many empty
    /// jobs, one right after the other as the layers of a model give them.
    package static func dispatchSeconds(
        threads: Int, jobs: Int = 50_000
    ) throws(BitNetError) -> Double {
        let pool = WorkerPool(threads: threads)
        var times: [Double] = []
        for _ in 0..<jobs { times.append(try seconds { pool.run { _ in } }) }
        return Spread(times).median
    }

    /// Weights a second of each layout that a large model may be packed in, the fastest first.
    package static func layoutSpeeds(
        kernels: KernelSet, threads: Int
    ) throws(BitNetError) -> [(layout: TernaryLayout, weightsPerSecond: Double)] {
        let compute = Compute(kernels: kernels, pool: WorkerPool(threads: threads))
        return try LayoutChoice.measured(compute).weightsPerSecond
            .sorted { $0.value > $1.value }
            .map { ($0.key, $0.value) }
    }

    /// The most memory this process has used so far, in bytes.
    package static var peakMemory: Int {
        var usage = rusage()
        #if canImport(Darwin)
            let bytesPerUnit = 1
            guard getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
        #else
            let bytesPerUnit = 1024
            guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        #endif
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
