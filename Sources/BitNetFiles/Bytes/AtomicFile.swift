#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file being written, which replaces its target whole or not at all.
///
/// Until `commit` the target is untouched; without it, nothing of what was written is left.
///
/// - A symbolic link stays, and the file it leads to is replaced or created.
/// - A file that is replaced passes its mode on, its owner and its group as far as the process may
///   set them. Access lists and extended attributes are not passed on. Other names of the file
///   (hard links) keep the old contents.
/// - A read-only file is refused, and so are folders, sockets, disks and terminals.
/// - A new file has the mode that the process gives new files, or is the owner's alone.
/// - Pipes, other devices and files that the process has open already (`/dev/stdout`) are written to
///   as bytes come. They cannot be replaced, and what they have taken stays taken.
///
/// On Linux the file has no name until it is complete, as far as the file system can do that:
/// however the process ends, nothing is left. Elsewhere it has a temporary name beside its target,
/// `NAME.bitnet-NUMBER.partial`. A process that is killed leaves that behind, and the next one that
/// writes into the folder removes it.
package final class AtomicFile {
    private enum Output {
        case stream(StreamOutput)
        case partial(PartialFile)
        case closed
    }

    private let path: String
    private var output: Output
    /// Bytes written so far.
    package private(set) var count = 0

    /// Opens what will become `path`.
    ///
    /// - Parameters:
    ///   - path: the file to write.
    ///   - isPrivate: whether only the owner may read a new file.
    package convenience init(
        replacing path: String, isPrivate: Bool = false
    ) throws(BitNetError) {
        try self.init(replacing: path, isPrivate: isPrivate, allowsUnnamed: true)
    }

    /// `allowsUnnamed`: whether a file without a name may be used.
    init(replacing path: String, isPrivate: Bool, allowsUnnamed: Bool) throws(BitNetError) {
        self.path = path
        switch try OutputTarget(path) {
        case .stream(let kind): output = .stream(try StreamOutput(opening: path, kind: kind))
        case .descriptor(let number):
            output = .stream(try StreamOutput(duplicating: number, path: path))
        case .file(let target, let old):
            let opened = PartialFile.create(
                for: target, replacing: old, isPrivate: isPrivate, allowsUnnamed: allowsUnnamed)
            do { output = .partial(try opened.get()) } catch {
                throw .unwritable(path: path, reason: error.reason)
            }
        }
    }

    deinit {
        switch output {
        case .stream(let stream): _ = stream.close()
        case .partial(let partial): partial.discard()
        case .closed: break
        }
    }

    /// Appends bytes.
    ///
    /// - Throws: `BitNetError.unwritable`, and `.cancelled` while a pipe's reader is waited for.
    package func write(_ bytes: ByteRegion) throws(BitNetError) {
        let code =
            switch output {
            case .stream(let stream): try stream.write(bytes)
            case .partial(let partial):
                withoutWriteSignals { bytes.write(toDescriptor: partial.descriptor) }
            case .closed: EBADF as Int32?
            }
        if let code { throw failure(code) }
        count += bytes.count
    }

    /// Puts the file in place of the target, on stable storage.
    package func commit() throws(BitNetError) {
        switch output {
        case .stream(let stream):
            output = .closed
            if let code = stream.close() { throw failure(code) }
        case .partial(let partial):
            do { try partial.replaceTarget().get() } catch {
                throw .unwritable(path: path, reason: error.reason)
            }
            output = .closed
        case .closed: throw failure(EBADF)
        }
    }

    private func failure(_ code: Int32) -> BitNetError {
        .unwritable(path: path, reason: systemErrorMessage(code))
    }
}

extension AtomicFile {
    /// Refuses what cannot be written, before there is anything to write.
    ///
    /// - Throws: `BitNetError.unwritable`, as opening the file would.
    package static func check(_ path: String) throws(BitNetError) {
        _ = try OutputTarget(path)
    }

    /// As `check(_:)`, and refuses a file in a folder that is not there or takes no files.
    ///
    /// - Throws: `BitNetError.unwritable`, as opening the file would.
    package static func checkCreation(_ path: String) throws(BitNetError) {
        guard case .file(let file, _) = try OutputTarget(path) else { return }
        let folder = OutputTarget.folder(of: file)
        guard faccessat(AT_FDCWD, folder.isEmpty ? "." : folder, W_OK | X_OK, AT_EACCESS) == 0
        else {
            throw .unwritable(path: path, reason: PartialFile.Failure(creating: errno).reason)
        }
    }

    /// Refuses to replace a file that holds something else than what is to be written: a slip of the
    /// hand must not cost a model.
    ///
    /// - Parameters:
    ///   - start: the bytes that every file of the kind begins with.
    ///   - what: the kind, for the message.
    /// - Throws: `BitNetError.unwritable`.
    package static func check(
        _ path: String, beginsWith start: [UInt8], what: String
    ) throws(BitNetError) {
        // What is not there, is empty or is no file is for the writer to judge.
        guard let old = try? InputFile(opening: path), old.count > 0 else { return }
        guard try FileRegion(old).slice(0..<min(old.count, start.count)).bytes == start else {
            throw .unwritable(path: path, reason: "it is there and no \(what); give another name")
        }
    }
}
