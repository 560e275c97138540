import Foundation
import Testing

@testable import BitNetFiles
@testable import TernaryCompute

/// Files as they are and as they should not be replaced; each with and without a temporary name.
@Suite("Files written whole or not at all")
struct AtomicFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(
        _ text: String, to path: String, isPrivate: Bool = false, unnamed: Bool
    ) throws(BitNetError) {
        let file = try AtomicFile(replacing: path, isPrivate: isPrivate, allowsUnnamed: unnamed)
        try file.write(ByteRegion(Array(text.utf8)))
        try file.commit()
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    private func text(_ path: String) -> String? {
        try? String(contentsOfFile: path, encoding: .utf8)
    }

    @Test(
        "a new file has the mode of new files, a private one its owner's", arguments: [true, false])
    func newFile(_ unnamed: Bool) throws {
        let plain = try folder.write("plain", "")
        try write("a", to: folder.file("new"), unnamed: unnamed)
        try write("b", to: folder.file("private"), isPrivate: true, unnamed: unnamed)
        #expect(mode(folder.file("new")) == mode(plain))
        #expect(mode(folder.file("private")) == 0o600)
        #expect(text(folder.file("new")) == "a" && text(folder.file("private")) == "b")
        #expect(try folder.names == ["new", "plain", "private"])
    }

    @Test(
        "a file that is replaced passes its mode on, also to a private one",
        arguments: [0o600, 0o640, 0o644, 0o755, 0o222] as [mode_t], [true, false])
    func replaced(_ bits: mode_t, _ unnamed: Bool) throws {
        let path = try folder.write("old", "old")
        chmod(path, bits)
        try write("new", to: path, isPrivate: true, unnamed: unnamed)
        #expect(mode(path) == bits)
        chmod(path, 0o600)
        #expect(text(path) == "new")
        #expect(try folder.names == ["old"])
    }

    @Test("owner and group stay", .enabled(if: geteuid() == 0), arguments: [true, false])
    func owner(_ unnamed: Bool) throws {
        let path = try folder.write("old", "old")
        chown(path, 1234, 4321)
        try write("new", to: path, unnamed: unnamed)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_uid == 1234 && status.st_gid == 4321)
    }

    @Test("links stay, and what they lead to is written", arguments: [true, false])
    func links(_ unnamed: Bool) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: folder.file("sub"), withIntermediateDirectories: true)
        let target = folder.file("sub/target")
        // Relative, chained and absolute; first to a name that is free.
        symlink("sub/target", folder.file("one"))
        symlink("one", folder.file("two"))
        symlink(folder.file("two"), folder.file("three"))
        symlink("../sub", folder.file("sub/self"))
        for (name, words) in [("three", "first"), ("one", "second"), ("sub/self/target", "third")] {
            try write(words, to: folder.file(name), unnamed: unnamed)
            #expect(text(target) == words)
        }
        #expect(
            try files.destinationOfSymbolicLink(atPath: folder.file("three")) == folder.file("two"))
        #expect(try folder.names == ["one", "sub", "three", "two"])
        #expect(
            try files.contentsOfDirectory(atPath: folder.file("sub")).sorted() == [
                "self", "target",
            ])
    }

    @Test("a link to another file system is followed", arguments: [true, false])
    func otherFileSystem(_ unnamed: Bool) throws {
        guard access("/dev/shm", W_OK) == 0 else { return }
        let target = "/dev/shm/bitnet-test-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(target) }
        symlink(target, folder.file("link"))
        try write("there", to: folder.file("link"), unnamed: unnamed)
        #expect(text(target) == "there" && text(folder.file("link")) == "there")
        #expect(try folder.names == ["link"])
    }

    @Test("what is no file to be written is refused, named and left alone")
    func refused() throws {
        let files = FileManager.default
        try files.createDirectory(atPath: folder.file("folder"), withIntermediateDirectories: true)
        chmod(try folder.write("readonly", "keep"), 0o444)
        symlink("readonly", folder.file("toReadonly"))
        symlink("loop2", folder.file("loop1"))
        symlink("loop1", folder.file("loop2"))
        symlink("none/file", folder.file("dangling"))
        try makeSocket(folder.file("socket"))
        let before = try folder.names
        for (name, words) in [
            ("folder", "a folder"), ("folder/", "a folder"), ("new/", "a folder"),
            ("readonly", "read-only"), ("toReadonly", "read-only"), ("loop1", "symbolic links"),
            ("dangling", "folder"), ("none/file", "folder"), ("readonly/file", "irectory"),
            ("socket", "socket"), ("a\0b", "not a file name"),
            (String(repeating: "x", count: 300), "long"),
        ] {
            let path = folder.file(name)
            let error = failure { () throws(BitNetError) in
                try write("x", to: path, unnamed: true)
            }
            #expect(error?.isUnwritable == true && "\(error!)".contains(words), "\(name)")
        }
        #expect(failure { () throws(BitNetError) in try AtomicFile(replacing: "") } != nil)
        #expect(try folder.names == before)
        #expect(text(folder.file("readonly")) == "keep")
    }

    private func makeSocket(_ path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            room.copyBytes(from: path.utf8.prefix(room.count - 1))
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        try #require(code == 0)
    }

    @Test(
        "a folder that lets nobody create files is named as the reason",
        .enabled(if: geteuid() != 0))
    func lockedFolder() throws {
        let path = try folder.write("old", "keep")
        chmod(folder.path, 0o555)
        defer { chmod(folder.path, 0o755) }
        let error = failure { () throws(BitNetError) in try write("x", to: path, unnamed: true) }
        #expect(error.map { "\($0)".contains("folder") } == true)
        #expect(text(path) == "keep")
    }

    @Test(
        "without the end nothing is left, and the old file is as it was", arguments: [true, false])
    func abandoned(_ unnamed: Bool) throws {
        let path = try folder.write("old", "keep")
        for name in ["old", "new"] {
            let file = try AtomicFile(
                replacing: folder.file(name), isPrivate: false, allowsUnnamed: unnamed)
            try file.write(ByteRegion([1, 2, 3]))
        }
        #expect(text(path) == "keep")
        #expect(try folder.names == ["old"])
    }

    @Test("another name of the file keeps the old contents", arguments: [true, false])
    func hardLinks(_ unnamed: Bool) throws {
        let path = try folder.write("a", "old")
        link(path, folder.file("b"))
        try write("new", to: path, unnamed: unnamed)
        #expect(text(path) == "new" && text(folder.file("b")) == "old")
    }

    @Test("what has become something else meanwhile is not replaced", arguments: [true, false])
    func changedTarget(_ unnamed: Bool) throws {
        for name in ["new", "old"] {
            let path = folder.file(name)
            if name == "old" { try folder.write(name, "old") }
            let file = try AtomicFile(replacing: path, isPrivate: false, allowsUnnamed: unnamed)
            unlink(path)
            mkfifo(path, 0o600)
            #expect(failure { () throws(BitNetError) in try file.commit() }?.isUnwritable == true)
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
        }
        #expect(try folder.names == ["new", "old"])
    }

    @Test("a long name leaves room for the temporary one", arguments: [true, false])
    func longName(_ unnamed: Bool) throws {
        for count in [220, 254] {
            let name = String(repeating: "é", count: count / 2) + "x"
            try write("x", to: folder.file(name), unnamed: unnamed)
            #expect(text(folder.file(name)) == "x")
        }
        #expect(try folder.names.count == 2)
    }

    @Test("files that killed writers have left are removed, all others stay")
    func orphans() throws {
        let own = ["a.bitnet-0123456789abcdef.partial", "b.c.bitnet-ffffffffffffffff.partial"]
        let others = [
            "a", "a.partial", "a.bitnet-.partial", "a.bitnet-0123456789abcde.partial",
            "a.bitnet-0123456789abcdeF.partial", "a.bitnet-0123456789abcdef", "a.1234.partial",
            ".bitnet-0123456789abcdef.partial", "a.bitnet-0123456789abcdef.partial.gguf",
        ]
        for name in own + others { try folder.write(name, "x") }
        let kept = "folder.bitnet-0123456789abcdef.partial"
        try FileManager.default.createDirectory(
            atPath: folder.file(kept), withIntermediateDirectories: true)
        // One that is still being written, as by another process.
        let running = try AtomicFile(
            replacing: folder.file("running"), isPrivate: false, allowsUnnamed: false)
        try running.write(ByteRegion([1]))
        let during = try folder.names.filter { $0.hasPrefix("running.bitnet-") }
        #expect(during.count == 1)
        try write("x", to: folder.file("later"), unnamed: true)
        #expect(try Set(folder.names) == Set(others + during + [kept, "later"]))
        try running.commit()
        #expect(try Set(folder.names) == Set(others + [kept, "later", "running"]))
    }
}
