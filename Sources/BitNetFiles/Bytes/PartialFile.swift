internal import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A new regular file on its way to a name: without one, or with a temporary one beside it.
struct PartialFile {
    struct Failure: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }

        init(code: Int32) { reason = systemErrorMessage(code) }

        /// `code` is the `errno` of creating a file in a folder.
        init(creating code: Int32) {
            reason =
                switch code {
                case ENOENT: "the folder that it should be in does not exist"
                case EACCES, EPERM: "its folder does not let you create files"
                default: systemErrorMessage(code)
                }
        }
    }

    let descriptor: Int32
    private let target: String
    private let temporary: String
    private let isUnnamed: Bool

    /// Creates the file, with mode and owner of `old`, and removes what killed processes left.
    static func create(
        for target: String, replacing old: stat?, isPrivate: Bool, allowsUnnamed: Bool
    ) -> Result<PartialFile, Failure> {
        // Nobody else may open what gets another mode in a moment.
        let mode: mode_t = isPrivate || old != nil ? 0o600 : 0o666
        let names = TemporaryNames(target)
        var file = allowsUnnamed ? unnamed(names, mode) : nil
        if file == nil {
            switch named(names, mode) {
            case .success(let found): file = found
            case .failure(let failure): return .failure(failure)
            }
        }
        guard let file else { return .failure(Failure(code: EIO)) }
        if let old { file.adopt(old) }
        names.removeOrphans()
        return .success(file)
    }

    /// A file without a name, where system and file system know such files and can name them later.
    private static func unnamed(_ names: TemporaryNames, _ mode: mode_t) -> PartialFile? {
        #if os(Linux)
            // O_TMPFILE, which Swift does not import.
            let flag: Int32 = 0o20_000_000 | O_DIRECTORY
            let folder = names.folder.isEmpty ? "." : names.folder
            let descriptor = open(folder, O_WRONLY | flag | O_CLOEXEC, mode)
            guard descriptor >= 0 else { return nil }
            var (byName, byDescriptor) = (stat(), stat())
            guard stat(Self.handle(descriptor), &byName) == 0,
                fstat(descriptor, &byDescriptor) == 0, byName.st_ino == byDescriptor.st_ino,
                byName.st_dev == byDescriptor.st_dev
            else {
                _ = close(descriptor)
                return nil
            }
            _ = flock(descriptor, LOCK_EX | LOCK_NB)
            return PartialFile(
                descriptor: descriptor, target: names.target, temporary: names.new(),
                isUnnamed: true)
        #else
            return nil
        #endif
    }

    private static func named(
        _ names: TemporaryNames, _ mode: mode_t
    ) -> Result<PartialFile, Failure> {
        // Seldom more than once: another process may take the file for an orphan before it is locked.
        for _ in 0..<8 {
            let name = names.new()
            let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
            guard descriptor >= 0 else { return .failure(Failure(creating: errno)) }
            _ = flock(descriptor, LOCK_EX | LOCK_NB)
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_nlink > 0 {
                return .success(
                    PartialFile(
                        descriptor: descriptor, target: names.target, temporary: name,
                        isUnnamed: false))
            }
            _ = close(descriptor)
        }
        return .failure(Failure(code: EBUSY))
    }

    /// Takes over owner, group and mode, as far as the process may.
    private func adopt(_ old: stat) {
        var mode = old.st_mode & 0o7777
        let keepsOwner = fchown(descriptor, old.st_uid, old.st_gid) == 0
        if !keepsOwner {
            mode &= 0o777
            if fchown(descriptor, uid_t.max, old.st_gid) != 0 {
                // What the old group might do is not for another group.
                mode &= ~0o070 | (mode & 0o007) << 3
            }
        }
        _ = fchmod(descriptor, mode)
    }

    /// The name under which a process finds its own open file.
    private static func handle(_ descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

    // MARK: - The end

    /// Gives the file its name, on stable storage, and closes it; after a failure it is still open.
    func replaceTarget() -> Result<Void, Failure> {
        // Renamed before the data is on disk, a power cut would leave an empty target.
        guard Self.sync(descriptor) else { return .failure(Failure(code: errno)) }
        var status = stat()
        if lstat(target, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            return .failure(Failure("meanwhile it has become something else than a file"))
        }
        #if os(Linux)
            if isUnnamed {
                let code = linkat(
                    AT_FDCWD, Self.handle(descriptor), AT_FDCWD, temporary, AT_SYMLINK_FOLLOW)
                guard code == 0 else { return .failure(Failure(creating: errno)) }
            }
        #endif
        guard rename(temporary, target) == 0 else {
            let failure = Failure(code: errno)
            unlink(temporary)
            return .failure(failure)
        }
        _ = close(descriptor)
        syncFolder()
        return .success(())
    }

    /// Waits until the data is on disk; false with `errno` after a failure.
    private static func sync(_ descriptor: Int32) -> Bool {
        while fsync(descriptor) != 0 {
            // Some file systems have no disk to write to.
            if [EINVAL, ENOTSUP, ENOSYS].contains(errno) { break }
            if errno != EINTR { return false }
        }
        return true
    }

    /// Removes the file and closes it.
    func discard() {
        if !isUnnamed { unlink(temporary) }
        _ = close(descriptor)
    }

    /// Makes the new name durable; a file system that cannot do so has still renamed.
    private func syncFolder() {
        let folder = OutputTarget.folder(of: target)
        let descriptor = open(
            folder.isEmpty ? "." : folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        _ = close(descriptor)
    }
}

/// The temporary name of a file, `NAME.bitnet-NUMBER.partial` with 16 hexadecimal digits, and such
/// names of files that killed processes have left.
struct TemporaryNames {
    private static let mark = ".bitnet-"
    private static let suffix = ".partial"

    let target: String
    /// With its slash; empty for the current folder.
    let folder: String
    private let prefix: String

    init(_ target: String) {
        self.target = target
        folder = OutputTarget.folder(of: target)
        var name = String(
            decoding: target.utf8.dropFirst(folder.utf8.count), as: UTF8.self
        ).unicodeScalars
        // A file system allows 255 bytes, of which 32 are added.
        while String(name).utf8.count > 220 { name.removeLast() }
        prefix = String(name)
    }

    func new() -> String {
        let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
        let zeros = String(repeating: "0", count: 16 - digits.utf8.count)
        return "\(folder)\(prefix)\(Self.mark)\(zeros)\(digits)\(Self.suffix)"
    }

    /// Removes the files of the folder that have such names and that no process is writing any more.
    ///
    /// Whoever writes one has it locked; the lock ends with the process.
    func removeOrphans() {
        let files = FileManager.default
        let names = try? files.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)
        for name in names ?? [] where Self.isTemporary(name) {
            let path = folder + name
            let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { _ = close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                status.st_uid == geteuid(), flock(descriptor, LOCK_EX | LOCK_NB) == 0
            else { continue }
            unlink(path)
        }
    }

    /// Whether a file's name is one that `new` could have made.
    static func isTemporary(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        let (mark, suffix) = (Array(mark.utf8), Array(suffix.utf8))
        let end = bytes.count - suffix.count
        let digits = end - 16
        let start = digits - mark.count
        guard start > 0, bytes[end...].elementsEqual(suffix),
            bytes[start..<digits].elementsEqual(mark)
        else { return false }
        return bytes[digits..<end].allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
    }
}
