import CTernaryKernels
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Persistent threads that run one job at a time, each its own contiguous share of it, and of a long
/// job what slower threads have not begun.
///
/// The caller is thread 0; `threads - 1` workers spin for about 50 us after a job, so that the next
/// job of the same token starts within a microsecond, and then sleep, so that an idle pool costs
/// nothing. Sleepers are left alone while what `parallel` gets is not worth waking them. Jobs from
/// several callers queue up. Correct (if slower) with more threads than cores.
package final class WorkerPool: Sendable {
    /// Number of threads a job is split over, the caller included.
    package let threads: Int
    private let sharing: Sharing
    private let state: PoolState
    private let pieces: PieceCounters
    private let workers: [Worker]

    /// Checks a number of threads that somebody asks for.
    ///
    /// - Throws: `BitNetError.invalidArgument` for one outside 1...1024.
    package static func check(threads: Int) throws(BitNetError) {
        guard (1...1024).contains(threads) else {
            throw .invalidArgument(name: "threads", detail: "\(threads) is not in 1...1024")
        }
    }

    /// Starts `threads - 1` workers; fewer when the system refuses to start that many.
    package init(threads: Int, sharing: Sharing = .worthwhile) {
        self.sharing = sharing
        let state = PoolState()
        var workers: [Worker] = []
        for index in 1..<max(threads, 1) {
            guard let thread = startWorker(WorkerStart(state: state, index: index)) else { break }
            workers.append(Worker(thread: thread))
        }
        self.state = state
        self.workers = workers
        self.threads = workers.count + 1
        pieces = PieceCounters(ranges: workers.count + 1)
    }

    deinit {
        state.stop()
        for worker in workers { pthread_join(worker.thread, nil) }
    }

    /// Which jobs `parallel` shares between threads.
    package enum Sharing: Sendable {
        /// Those that several threads do faster than one.
        case worthwhile
        /// All of them: slow, but it shows what depends on how work is split.
        case every
    }

    /// Runs `body(0)` ... `body(threads - 1)` at the same time and returns when all are done.
    ///
    /// - Parameter prepare: called before that, while no other job runs.
    package func run(prepare: () -> Void = {}, _ body: (_ thread: Int) -> Void) {
        guard threads > 1 else {
            prepare()
            return body(0)
        }
        withoutActuallyEscaping(body) { state.run($0, workers: threads - 1, prepare: prepare) }
    }

    /// Splits as `parallel` does, and every thread's range again into pieces that are worth
    /// `workPerPiece`: a thread that has done all of its own goes on with what others have not begun.
    /// `body` is called once for each piece.
    ///
    /// Cores seldom are equally fast for long: one has another program to run or less of the memory,
    /// some are made slower. With one range for each thread all wait for the slowest: on a shared
    /// machine two threads waited for 6 to 10 of the 50 ms that a 2B model's token took.
    package func parallelInPieces(
        _ count: Int, granule: Int = 1, work: Int, _ body: (_ thread: Int, Range<Int>) -> Void
    ) {
        guard count > 0 else { return }
        let split = split(count, granule: granule, work: work)
        let parts = split.parts
        guard parts > 1 else { return body(0, 0..<count) }
        let each = max(
            1, min(split.granules / parts, work / parts / workPerPiece, largestPieceCount))
        run(prepare: pieces.reset) { thread in
            for range in 0..<(thread < parts ? parts : 0) {
                let owner = (thread + range) % parts
                while let piece = pieces.take(from: owner, of: each) {
                    body(thread, split.range(owner * each + piece, of: parts * each))
                }
            }
        }
    }

    /// Splits `count` items, in multiples of `granule`, into one contiguous range per thread and
    /// runs `body` on each. `work` is what the whole job costs in ternary weights (10 ps each): a
    /// job too small to be worth sharing, or waking anyone, stays on this thread. Returns how many
    /// threads have had a range: the first so many.
    @discardableResult
    package func parallel(
        _ count: Int, granule: Int = 1, work: Int, _ body: (_ thread: Int, Range<Int>) -> Void
    ) -> Int {
        guard count > 0 else { return 0 }
        let split = split(count, granule: granule, work: work)
        guard split.parts > 1 else {
            body(0, 0..<count)
            return 1
        }
        run { thread in
            if thread < split.parts { body(thread, split.range(thread, of: split.parts)) }
        }
        return split.parts
    }

    /// `parallel` with a body that can fail: throws the first error of any thread. The others
    /// still finish their ranges.
    package func tryParallel(
        _ count: Int, granule: Int = 1, work: Int,
        _ body: (_ thread: Int, Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        let failure = Mutex<BitNetError?>(nil)
        parallel(count, granule: granule, work: work) { (thread, range) in
            do throws(BitNetError) {
                try body(thread, range)
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// How many threads share `count` items, and where they can be cut.
    private func split(_ count: Int, granule: Int, work: Int) -> Split {
        let granules = (count + granule - 1) / granule
        var parts = min(threads, granules)
        if sharing == .worthwhile {
            parts = min(parts, work / workPerThread)
            if parts > 1 && !state.isWorthSharing(work, parts: parts) { parts = 1 }
        }
        return Split(count: count, granule: granule, granules: granules, parts: parts)
    }

    /// `count` items, in `granules`, for `parts` threads.
    private struct Split {
        let count, granule, granules, parts: Int

        /// Range `index` of `ranges` equal ones, at most as many as there are granules.
        func range(_ index: Int, of ranges: Int) -> Range<Int> {
            let begin = granules * index / ranges * granule
            return begin..<min(granules * (index + 1) / ranges * granule, count)
        }
    }

    /// Workers that sleep now.
    var sleepingWorkers: Int { state.sleepers }
}

/// Below this much work for each thread, a second one costs more than it brings: waking a spinning
/// worker and joining it takes 1-2 us, a ternary kernel does 400,000 weights in about 5 us.
package let workPerThread = 400_000

/// What any other step than a ternary product costs for each element, in ternary weights.
package let elementWork = 10

/// Enough to begin a new stream from memory for: 10 to 20 us.
private let workPerPiece = 1_000_000

/// Pieces of one range: with so many, a thread waits for a 64th of a job of two at most.
private let largestPieceCount = 32

/// What waking a sleeper costs, in work: it takes 5 to 50 us until it runs.
private let workPerSleeper = 5_000_000

private let spinNanoseconds: UInt64 = 50_000

private func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Spins until `condition` holds or about 50 us have passed; whether it holds.
private func spin(until condition: () -> Bool) -> Bool {
    if condition() { return true }
    let deadline = now() + spinNanoseconds
    repeat {
        for _ in 0..<32 {
            if condition() { return true }
            tk_spin_hint()
        }
    } while now() < deadline
    return false
}

/// For each range of a job, how many of its pieces somebody has taken.
private final class PieceCounters: @unchecked Sendable {
    /// A counter with a cache line of its own.
    private struct Counter: ~Copyable {
        let taken = Atomic<Int>(0)
        private let padding = (0, 0, 0, 0, 0, 0, 0)
    }

    private let ranges: Int
    private let counters: UnsafeMutablePointer<Counter>

    init(ranges: Int) {
        self.ranges = ranges
        counters = .allocate(capacity: ranges)
        for range in 0..<ranges { (counters + range).initialize(to: Counter()) }
    }

    deinit {
        counters.deinitialize(count: ranges)
        counters.deallocate()
    }

    func reset() {
        for range in 0..<ranges { counters[range].taken.store(0, ordering: .relaxed) }
    }

    /// The next piece of `range`, which has `count`; nil if all are taken.
    func take(from range: Int, of count: Int) -> Int? {
        let piece = counters[range].taken.add(1, ordering: .relaxed).oldValue
        return piece < count ? piece : nil
    }
}

/// What the caller and the workers share. The job and its end are published through `generation` and
/// `pending`; the condition variables are only for those who went to sleep.
private final class PoolState: @unchecked Sendable {
    private let generation = Atomic<Int>(0)
    private let pending = Atomic<Int>(0)
    private let sleepingWorkers = Atomic<Int>(0)
    private let sleepingCallers = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    /// Work that each thread would have had of the latest jobs while workers slept, and when the last
    /// of those jobs will have ended.
    private let missedWork = Atomic<Int>(0)
    private let missedUntil = Atomic<UInt64>(0)
    private var job: ((Int) -> Void)?
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let oneCaller = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_mutex_init(oneCaller, nil)
        pthread_cond_init(wake, nil)
        pthread_cond_init(done, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_mutex_destroy(oneCaller)
        pthread_cond_destroy(wake)
        pthread_cond_destroy(done)
        mutex.deallocate()
        oneCaller.deallocate()
        wake.deallocate()
        done.deallocate()
    }

    /// - Parameter prepare: called before any thread begins, while no other job runs.
    func run(_ body: @escaping (Int) -> Void, workers: Int, prepare: () -> Void = {}) {
        pthread_mutex_lock(oneCaller)
        prepare()
        job = body
        pending.store(workers, ordering: .relaxed)
        generation.add(1, ordering: .sequentiallyConsistent)
        if sleepingWorkers.load(ordering: .sequentiallyConsistent) > 0 { broadcast(wake) }
        body(0)
        if !spin(until: { pending.load(ordering: .acquiring) == 0 }) { sleepUntilDone() }
        job = nil
        pthread_mutex_unlock(oneCaller)
    }

    var sleepers: Int { sleepingWorkers.load(ordering: .relaxed) }

    /// Whether a job of `work` in `parts` gains by being shared: always with workers that spin; with
    /// sleepers if it, or it and those just before it, are worth what waking costs. Jobs further apart
    /// than workers spin do not add up: after each the sleepers would have to be woken again.
    func isWorthSharing(_ work: Int, parts: Int) -> Bool {
        guard sleepers > 0 else { return true }
        let time = now()
        let isClose = time < missedUntil.load(ordering: .relaxed) &+ spinNanoseconds
        let missed = (isClose ? missedWork.load(ordering: .relaxed) : 0) &+ work / parts
        let isWorthIt = missed >= workPerSleeper
        missedWork.store(isWorthIt ? 0 : missed, ordering: .relaxed)
        missedUntil.store(time &+ UInt64(max(work, 0) / 100), ordering: .relaxed)
        return isWorthIt
    }

    private func sleepUntilDone() {
        pthread_mutex_lock(mutex)
        sleepingCallers.add(1, ordering: .sequentiallyConsistent)
        while pending.load(ordering: .sequentiallyConsistent) > 0 { pthread_cond_wait(done, mutex) }
        sleepingCallers.subtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
    }

    func work(as index: Int) {
        var seen = 0
        while true {
            let started = { self.generation.load(ordering: .acquiring) != seen }
            if !spin(until: started) { sleep(whileGenerationIs: seen) }
            if stopping.load(ordering: .acquiring) { return }
            seen += 1
            job?(index)
            if pending.subtract(1, ordering: .sequentiallyConsistent).newValue == 0,
                sleepingCallers.load(ordering: .sequentiallyConsistent) > 0
            {
                broadcast(done)
            }
        }
    }

    private func sleep(whileGenerationIs seen: Int) {
        pthread_mutex_lock(mutex)
        sleepingWorkers.add(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen {
            pthread_cond_wait(wake, mutex)
        }
        sleepingWorkers.subtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
    }

    func stop() {
        stopping.store(true, ordering: .releasing)
        generation.add(1, ordering: .sequentiallyConsistent)
        broadcast(wake)
    }

    private func broadcast(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}

/// A started thread. Its handle is a number with Glibc and a pointer elsewhere, which Swift takes for
/// memory that it cannot answer for.
private struct Worker: @unchecked Sendable {
    let thread: pthread_t
}

/// What a new thread begins with.
private final class WorkerStart: Sendable {
    let state: PoolState
    let index: Int

    init(state: PoolState, index: Int) {
        self.state = state
        self.index = index
    }
}

private func startWorker(_ start: WorkerStart) -> pthread_t? {
    let argument = Unmanaged.passRetained(start)
    #if canImport(Glibc)
        var handle = pthread_t()
    #else
        var handle: pthread_t?
    #endif
    let status = pthread_create(
        &handle, nil,
        { raw in
            #if canImport(Darwin)
                let start = Unmanaged<WorkerStart>.fromOpaque(raw).takeRetainedValue()
            #else
                let start = Unmanaged<WorkerStart>.fromOpaque(raw!).takeRetainedValue()
            #endif
            start.state.work(as: start.index)
            return nil
        }, argument.toOpaque())
    guard status == 0 else {
        argument.release()
        return nil
    }
    return handle
}
