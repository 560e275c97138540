import Foundation
import Synchronization
import Testing

@testable import BitNetFiles
@testable import TernaryCompute

/// What cannot be replaced: pipes, devices, files that are open already.
@Suite("Pipes, devices and open files as targets")
struct StreamOutputTests {
    private let folder: TemporaryFolder

    private final class Box<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    init() throws { folder = try TemporaryFolder() }

    private func isPipe(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
    }

    /// Runs `body` on a thread of its own, for it waits, and the others have tests to run; the
    /// result is called to wait for its end.
    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () -> Value
    ) -> () -> Value? {
        let result = Box<Value>()
        let done = DispatchSemaphore(value: 0)
        Thread {
            let found = body()
            result.value.withLock { $0 = found }
            done.signal()
        }.start()
        return {
            done.wait()
            return result.value.withLock { $0 }
        }
    }

    @Test("a pipe takes all bytes, and stays")
    func pipe() throws {
        let path = folder.file("pipe")
        mkfifo(path, 0o600)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let file = try AtomicFile(replacing: path)
        _ = fcntl(reader, F_SETFL, 0)
        let read = onThread { Self.all(of: reader) }
        try file.write(ByteRegion(bytes))
        try file.commit()
        #expect(read() == bytes)
        #expect(isPipe(path))
    }

    private static func all(of descriptor: Int32) -> [UInt8] {
        var (found, part) = ([UInt8](), [UInt8](repeating: 0, count: 5000))
        while case let count = read(descriptor, &part, part.count), count > 0 {
            found += part.prefix(count)
        }
        return found
    }

    @Test("a pipe is read whole, one that nobody writes into is given up")
    func input() throws {
        let path = folder.file("pipe")
        mkfifo(path, 0o600)
        let silent = failure { () throws(BitNetError) in
            try PipeInput(opening: path, patience: .milliseconds(50)).all { _ in nil }
        }
        #expect(silent.map { "\($0)".contains("start its writer first") } == true)
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let writer = onThread { () -> BitNetError? in
            failure { () throws(BitNetError) in
                let file = try AtomicFile(replacing: path)
                try file.write(ByteRegion(bytes))
                try file.commit()
            }
        }
        #expect(try FileRegion(opening: path) { _ in nil }.bytes == bytes)
        #expect(writer() == .some(nil))
        let plain = try folder.write("file", [1, 2, 3])
        #expect(try FileRegion(opening: plain) { _ in nil }.bytes == [1, 2, 3])
        // In a model's folder a pipe would be waited for by nobody's wish.
        #expect(
            failure { () throws(BitNetError) in try InputFile(opening: path) }?.isUnreadable
                == true)
    }

    @Test("a pipe that nobody reads is refused, one whose reader has gone is an error")
    func noReader() throws {
        let path = folder.file("pipe")
        mkfifo(path, 0o600)
        let error = failure { () throws(BitNetError) in try AtomicFile(replacing: path) }
        #expect(error.map { "\($0)".contains("nobody reads") } == true)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        let file = try AtomicFile(replacing: path)
        close(reader)
        // Without ado the signal of this write would end the process.
        let gone = failure { () throws(BitNetError) in try file.write(ByteRegion([1])) }
        #expect(gone?.isUnwritable == true)
        #expect(isPipe(path))
    }

    @Test("a task that is cancelled does not wait for a pipe's reader", .timeLimit(.minutes(10)))
    func cancelled() async throws {
        let path = folder.file("pipe")
        mkfifo(path, 0o600)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let task = Task.detached {
            failure { () throws(BitNetError) in
                try AtomicFile(replacing: path).write(
                    ByteRegion([UInt8](repeating: 1, count: 1 << 20)))
            }
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        #expect(await task.value == .cancelled)
    }

    @Test("a device takes bytes or says why not, and stays", .enabled(if: geteuid() == 0))
    func devices() throws {
        // Copies of /dev/null and /dev/full: the ones that everybody uses are not for tests.
        for (name, minor) in [("null", 3), ("full", 7)] {
            let path = folder.file(name)
            guard mknod(path, S_IFCHR | 0o600, dev_t(1 << 8 | minor)) == 0 else { return }
            let error = failure { () throws(BitNetError) in
                let file = try AtomicFile(replacing: path)
                try file.write(ByteRegion([1, 2, 3]))
                try file.commit()
            }
            #expect((error != nil) == (name == "full"))
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        }
        let path = folder.file("disk")
        guard mknod(path, S_IFBLK | 0o600, dev_t(7 << 8 | 250)) == 0 else { return }
        let disk = failure { () throws(BitNetError) in try AtomicFile(replacing: path) }
        #expect(disk.map { "\($0)".contains("a disk") } == true)
    }

    #if os(Linux)
        @Test("an open file is written where it stands, under every name it has")
        func openFile() throws {
            let path = try folder.write("log", "begin ")
            let descriptor = open(path, O_WRONLY | O_APPEND)
            defer { close(descriptor) }
            symlink("/dev/fd/\(descriptor)", folder.file("link"))
            for name in [
                "/dev/fd/\(descriptor)", "/proc/self/fd/\(descriptor)",
                "/proc/\(getpid())/fd/\(descriptor)", folder.file("link"),
            ] {
                let file = try AtomicFile(replacing: name)
                try file.write(ByteRegion(Array("word ".utf8)))
                try file.commit()
            }
            // It is open as before.
            #expect(write(descriptor, "end", 3) == 3)
            #expect(
                try String(contentsOfFile: path, encoding: .utf8) == "begin word word word word end"
            )
            #expect(try folder.names == ["link", "log"])
        }

        @Test("an open file that cannot be written is refused")
        func closedFile() throws {
            let path = try folder.write("log", "keep")
            let descriptor = open(path, O_RDONLY)
            let reading = failure { () throws(BitNetError) in
                try AtomicFile(replacing: "/dev/fd/\(descriptor)")
            }
            #expect(reading.map { "\($0)".contains("for reading only") } == true)
            close(descriptor)
            for number in ["987654", "-1", "x"] {
                let error = failure { () throws(BitNetError) in
                    try AtomicFile(replacing: "/dev/fd/\(number)")
                }
                #expect(error?.isUnwritable == true, "\(number)")
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "keep")
        }

        @Test("signals that a write raises are taken, one that waited before is left")
        func signals() {
            func isPending() -> Bool {
                var pending = sigset_t()
                sigpending(&pending)
                return sigismember(&pending, SIGPIPE) == 1
            }
            func isBlocked() -> Bool {
                var mask = sigset_t()
                pthread_sigmask(SIG_BLOCK, nil, &mask)
                return sigismember(&mask, SIGPIPE) == 1
            }
            #expect(!isBlocked())
            withoutWriteSignals {
                #expect(isBlocked())
                pthread_kill(pthread_self(), SIGPIPE)
                #expect(isPending())
            }
            #expect(!isBlocked() && !isPending())
            var (pipe, old) = (sigset_t(), sigset_t())
            sigemptyset(&pipe)
            sigaddset(&pipe, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &pipe, &old)
            pthread_kill(pthread_self(), SIGPIPE)
            withoutWriteSignals {}
            #expect(isBlocked() && isPending())
            var now = timespec()
            #expect(sigtimedwait(&pipe, nil, &now) == SIGPIPE)
            pthread_sigmask(SIG_SETMASK, &old, nil)
        }
    #endif
}
