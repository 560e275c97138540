#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file being written under a temporary name, which replaces its target whole or not at all.
///
/// Until `commit` the target is untouched; without it, `deinit` removes what was written.
package final class AtomicFile {
    private let target: String
    private let temporary: String
    private var descriptor: Int32

    /// Creates the temporary file beside `target`, so that the final rename stays on one volume.
    package init(replacing target: String) throws(BitNetError) {
        guard !target.isEmpty, !target.utf8.contains(0) else {
            throw .unwritable(path: target, reason: "it is not a file name")
        }
        // Found only by the rename, a folder of that name would cost all the work before it.
        var status = stat()
        if stat(target, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw .unwritable(path: target, reason: "it is a folder; give the name of a file")
        }
        let name = "\(target).\(UInt64.random(in: 0 ... .max)).partial"
        let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw .unwritable(path: target, reason: systemErrorMessage(errno))
        }
        self.target = target
        self.temporary = name
        self.descriptor = descriptor
    }

    deinit {
        guard descriptor >= 0 else { return }
        _ = close(descriptor)
        unlink(temporary)
    }

    package func write(_ bytes: ByteRegion) throws(BitNetError) {
        if let code = bytes.write(toDescriptor: descriptor) { throw failure(code) }
    }

    /// Puts the file in place of the target, on stable storage.
    package func commit() throws(BitNetError) {
        // Renamed before the data is on disk, a power cut would leave an empty target.
        guard fsync(descriptor) == 0 else { throw failure(errno) }
        guard rename(temporary, target) == 0 else { throw failure(errno) }
        _ = close(descriptor)
        descriptor = -1
        syncFolder()
    }

    /// Makes the new name durable; a file system that cannot do so has still renamed.
    private func syncFolder() {
        let folder = target.lastIndex(of: "/").map { String(target[...$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        _ = close(descriptor)
    }

    private func failure(_ code: Int32) -> BitNetError {
        .unwritable(path: target, reason: systemErrorMessage(code))
    }
}
