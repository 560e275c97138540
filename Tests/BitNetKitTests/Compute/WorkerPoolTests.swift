import Dispatch
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Threads that have ended after `noticeEnd` was called on them.
private let endedThreads = Atomic<Int>(0)

/// Counts the calling thread in `endedThreads` when it ends.
private func noticeEnd(_ key: pthread_key_t) {
    pthread_setspecific(key, UnsafeRawPointer(bitPattern: 1))
}

@Suite("WorkerPool", .serialized)
struct WorkerPoolTests {
    /// 64 is more threads than cores on most machines that run tests.
    @Test("a job runs once on every thread", arguments: [-1, 0, 1, 2, 3, 8, 64])
    func run(_ threads: Int) {
        let pool = WorkerPool(threads: threads)
        #expect(pool.threads == max(threads, 1))
        for _ in 0..<20 {
            let counts = Mutex([Int](repeating: 0, count: pool.threads))
            pool.run { thread in counts.withLock { $0[thread] += 1 } }
            #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
        }
    }

    @Test(
        "items are split into ranges of whole granules, each item once",
        arguments: [1, 2, 3, 16], [1, 4, 64])
    func parallel(_ threads: Int, _ granule: Int) {
        let pool = WorkerPool(threads: threads)
        for count in [0, 1, 3, 4, 5, 63, 64, 65, 1000] {
            for work in [0, 150_000, 10_000_000] {
                let ranges = Mutex<[Range<Int>]>([])
                let busy = Mutex<Set<Int>>([])
                pool.parallel(count, granule: granule, work: work) { thread, range in
                    ranges.withLock { $0.append(range) }
                    #expect(busy.withLock { $0.insert(thread).inserted })
                }
                let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
                #expect(sorted.flatMap { Array($0) } == Array(0..<count))
                #expect(sorted.allSatisfy { $0.lowerBound % granule == 0 && !$0.isEmpty })
                if work < 200_000 { #expect(sorted.count <= 1) }
            }
        }
    }

    @Test(
        "pieces are whole granules, each item once, whoever computes them",
        arguments: [1, 2, 3, 16], [1, 4, 64])
    func pieces(_ threads: Int, _ granule: Int) {
        let pool = WorkerPool(threads: threads, sharing: .every)
        for count in [0, 1, 3, 4, 5, 63, 64, 65, 1000] {
            for work in [0, 150_000, 10_000_000, 1_000_000_000] {
                let ranges = Mutex<[Range<Int>]>([])
                pool.parallelInPieces(count, granule: granule, work: work) { thread, range in
                    #expect((0..<threads).contains(thread))
                    ranges.withLock { $0.append(range) }
                }
                let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
                #expect(sorted.flatMap { Array($0) } == Array(0..<count))
                #expect(sorted.allSatisfy { $0.lowerBound % granule == 0 && !$0.isEmpty })
                #expect(sorted.count <= 32 * threads)
            }
        }
    }

    @Test("a thread that is done computes what a slow one has not begun", arguments: [0, 1])
    func helping(_ slow: Int) {
        let pool = WorkerPool(threads: 2, sharing: .every)
        let done = Mutex<[Int: [Range<Int>]]>([:])
        let own = slow * 32..<slow * 32 + 32
        @Sendable func isHelped() -> Bool {
            done.withLock { $0[1 - slow] ?? [] }.contains { own.overlaps($0) }
        }
        pool.parallelInPieces(64, work: 64_000_000) { thread, range in
            done.withLock { $0[thread, default: []].append(range) }
            if thread == slow { while !isHelped() { usleep(100) } }
        }
        #expect(isHelped())
        #expect(done.withLock { $0.values.joined().map(\.count).reduce(0, +) } == 64)
    }

    @Test("several callers at a time each get all their pieces done")
    func callersOfPieces() {
        let pool = WorkerPool(threads: 3, sharing: .every)
        let wrong = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 8) { caller in
            for round in 0..<200 {
                let sum = Atomic<Int>(0)
                pool.parallelInPieces(100 + caller, work: 1_000_000_000) { _, range in
                    sum.add(range.count + round * range.count, ordering: .relaxed)
                }
                if sum.load(ordering: .relaxed) != (100 + caller) * (1 + round) {
                    wrong.add(1, ordering: .relaxed)
                }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }

    @Test("small jobs are shared by all threads on demand", arguments: [2, 3, 16])
    func smallJobs(_ threads: Int) {
        let pool = WorkerPool(threads: threads, sharing: .every)
        for count in [1, 2, 5, 40] {
            let ranges = Mutex<[Int: Range<Int>]>([:])
            pool.parallel(count, work: 0) { thread, range in
                ranges.withLock { $0[thread] = range }
            }
            let found = ranges.withLock { $0 }
            #expect(found.count == min(threads, count))
            #expect(
                found.sorted { $0.key < $1.key }.flatMap { Array($0.value) } == Array(0..<count))
        }
    }

    /// How many threads share a job of this much work.
    private func shares(_ pool: WorkerPool, work: Int) -> Int {
        let count = Atomic<Int>(0)
        pool.parallel(pool.threads, work: work) { _, _ in count.add(1, ordering: .relaxed) }
        return count.load(ordering: .relaxed)
    }

    private func waitForSleep(_ pool: WorkerPool) throws {
        for _ in 0..<10_000 where pool.sleepingWorkers < pool.threads - 1 { usleep(500) }
        try #require(pool.sleepingWorkers == pool.threads - 1)
    }

    @Test("sleepers are woken by a job that is worth it, and not by small ones now and then")
    func waking() throws {
        let pool = WorkerPool(threads: 3)
        for _ in 0..<5 {
            try waitForSleep(pool)
            // 10 us of work for each thread.
            for _ in 0..<10 {
                #expect(shares(pool, work: 3_000_000) == 1)
                usleep(1_000)
            }
            #expect(pool.sleepingWorkers == 2)
            #expect(shares(pool, work: 16_000_000) == 3)
        }
    }

    @Test("sleepers are woken by small jobs that come one right after the other")
    func wakingBySeveral() throws {
        let pool = WorkerPool(threads: 3)
        try waitForSleep(pool)
        #expect(shares(pool, work: 3_000_000) == 1)
        // Five would do, unless other programs come between them.
        #expect((0..<100_000).contains { _ in shares(pool, work: 3_000_000) == 3 })
    }

    @Test("workers that spin share small jobs")
    func sharing() throws {
        let pool = WorkerPool(threads: 2)
        // Other programs can come between two jobs for longer than workers spin, but not always.
        #expect(
            (0..<10_000).contains { _ in
                pool.run { _ in }
                return shares(pool, work: 900_000) == 2
            })
        try waitForSleep(pool)
        #expect(shares(pool, work: 900_000) == 1)
    }

    @Test("the time of an empty job is measured", arguments: [1, 2])
    func dispatch(_ threads: Int) throws {
        // Some microseconds, and much more where other tests want the cores too.
        let time = try MachineLimits.dispatchSeconds(threads: threads, jobs: 300)
        #expect(time > 0 && time < 0.1)
    }

    @Test("results do not depend on the number of threads")
    func sameResults() throws {
        let plain = PlainTernary(rows: 999, columns: 640, scale: .perTensor(0.1), seed: 1)
        let matrix = try plain.matrix(.t2)
        let x = randomFloats(2 * 640, seed: 2)
        let expected = plain.multiply(x)
        for threads in [1, 2, 3, 5, 16] {
            let compute = Compute(
                kernels: .best, pool: WorkerPool(threads: threads, sharing: .every))
            let input = try AlignedBuffer(x, purpose: "test")
            let output = try AlignedBuffer<Float>(count: 2 * 999, purpose: "test")
            let quantized = try QuantizedActivations(
                rows: 2, columns: 640, threads: threads,
                gemmScratch: compute.kernels.gemmScratchSize(matrix.trits))
            compute.quantize(
                Activations(input.view, rows: 2, columns: 640), norm: nil, into: quantized)
            compute.multiply(
                quantized,
                TernaryProduct(matrix, into: Activations(output.view, rows: 2, columns: 999)))
            #expect(output.array == expected, "\(threads) threads")
        }
    }

    @Test("many small jobs, one after the other, all see what the one before has written")
    func manyJobs() {
        let pool = WorkerPool(threads: 3)
        // Plain memory: only the pool orders the accesses.
        let values = UnsafeCell(count: 3)
        for _ in 0..<5_000 {
            pool.run { thread in
                let left = values[(thread + 2) % 3, 0]
                values[thread, 1] = left + 1
            }
            pool.run { thread in values[thread, 0] = values[thread, 1] }
        }
        #expect((0..<3).allSatisfy { values[$0, 0] == 5_000 })
    }

    @Test("several callers at a time each get their own job done")
    func callers() {
        let pool = WorkerPool(threads: 3)
        let wrong = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 8) { caller in
            for round in 0..<200 {
                let sum = Atomic<Int>(0)
                pool.run { thread in sum.add((thread + 1) * (caller + round), ordering: .relaxed) }
                if sum.load(ordering: .relaxed) != 6 * (caller + round) {
                    wrong.add(1, ordering: .relaxed)
                }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }

    @Test("workers that went to sleep wake up, and a caller sleeps through a long job")
    func sleeping() {
        let pool = WorkerPool(threads: 3)
        for slowThread in [0, 1, 2, 0, 1, 2] {
            // Longer than anyone spins.
            usleep(3_000)
            let done = Mutex<Set<Int>>([])
            pool.run { thread in
                if thread == slowThread { usleep(3_000) }
                done.withLock { _ = $0.insert(thread) }
            }
            #expect(done.withLock { $0 } == [0, 1, 2])
        }
    }

    @Test("an idle pool uses no processor time")
    func idle() {
        let pool = WorkerPool(threads: 3)
        let times = UnsafeCell(count: 3)
        func measure() -> [Int] {
            pool.run { thread in
                var time = timespec()
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                values(time, into: times, thread)
            }
            return (1..<3).map { times[$0, 0] }
        }
        func values(_ time: timespec, into cell: UnsafeCell, _ thread: Int) {
            cell[thread, 0] = Int(time.tv_sec) * 1_000_000 + Int(time.tv_nsec) / 1_000
        }
        let before = measure()
        usleep(200_000)
        let after = measure()
        // Spinning as meant takes about 50 us on each, spinning all the time up to 200,000: less
        // where other tests want the cores too.
        for (start, end) in zip(before, after) { #expect(end - start < 2_000) }
    }

    @Test("a pool that goes away has ended its threads")
    func joins() {
        var key = pthread_key_t()
        pthread_key_create(&key) { _ in endedThreads.add(1, ordering: .sequentiallyConsistent) }
        defer { pthread_key_delete(key) }
        for isAsleep in [false, true] {
            let before = endedThreads.load(ordering: .sequentiallyConsistent)
            do {
                let pool = WorkerPool(threads: 4)
                pool.run { thread in if thread > 0 { noticeEnd(key) } }
                if isAsleep { usleep(3_000) }
                #expect(endedThreads.load(ordering: .sequentiallyConsistent) == before)
                _ = pool.threads
            }
            #expect(endedThreads.load(ordering: .sequentiallyConsistent) == before + 3)
        }
    }
}

/// Plain memory that several threads may touch: two integers for each of a few places, without any
/// ordering of its own.
private final class UnsafeCell: @unchecked Sendable {
    private let base: UnsafeMutablePointer<Int>

    init(count: Int) {
        base = .allocate(capacity: count * 2)
        base.initialize(repeating: 0, count: count * 2)
    }

    deinit { base.deallocate() }

    subscript(place: Int, part: Int) -> Int {
        get { base[place * 2 + part] }
        set { base[place * 2 + part] = newValue }
    }
}
