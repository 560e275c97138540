import ArgumentParser
import BitNetKit
import Foundation
import Synchronization

/// What an option or an argument names that something is written to: a file, or standard output for
/// `-` and for a path that leads there.
struct OutputFile {
    /// A file, also for standard output.
    let url: URL
    let isStandardOutput: Bool

    /// - Throws: `BitNetError.unwritable` for a name that is none of a file, and for standard output
    ///   where it is closed.
    init(_ path: String) throws(BitNetError) {
        guard !path.isEmpty else {
            throw .unwritable(path: "''", reason: "it is no name; give the name of a file")
        }
        // The URL forgets the slash.
        guard path.utf8.last != UInt8(ascii: "/") else {
            throw .unwritable(path: path, reason: "it names a folder; give the name of a file")
        }
        isStandardOutput = path == "-" || Self.leadsToOutput(path)
        guard path == "-" else {
            url = try Terminal.url(path)
            return
        }
        guard !Terminal.closedStreams.contains(STDOUT_FILENO) else {
            throw .unwritable(path: "standard output", reason: "it is closed")
        }
        url = URL(fileURLWithPath: "/dev/stdout")
    }

    /// Whether `path` leads to what standard output leads to.
    private static func leadsToOutput(_ path: String) -> Bool {
        var (output, file) = (stat(), stat())
        return fstat(STDOUT_FILENO, &output) == 0 && stat(path, &file) == 0
            && output.st_dev == file.st_dev && output.st_ino == file.st_ino
            // What takes everything and gives nothing back is for any number of writers.
            && (output.st_mode & S_IFMT != S_IFCHR || Terminal.isOutputTerminal)
    }

    // MARK: - Two documents

    private static let taken = Atomic(false)

    /// Whether standard output is for the file of an option: results are written to standard error
    /// then, for two documents one behind the other are none.
    static var hasTakenOutput: Bool { taken.load(ordering: .relaxed) }

    /// Sends the results of the command to standard error where this is standard output.
    ///
    /// - Throws: `ValidationError` where they are a document too.
    func takeOutput(for option: String, isJSON: Bool) throws {
        guard isStandardOutput else { return }
        guard !isJSON else {
            throw ValidationError(
                "\(option) and --json would both write to standard output: name a file")
        }
        takeOutput()
    }

    fileprivate func takeOutput() {
        if isStandardOutput { Self.taken.store(true, ordering: .relaxed) }
    }
}

// MARK: - Plots

/// The file of an option `--plot`, looked at before anything is measured or read for it.
struct PlotFile {
    private let file: OutputFile

    /// - Throws: `BitNetError.unwritable`, also for a file that is there and no plot;
    ///   `ValidationError` for a name of another kind of picture, and for a second document on
    ///   standard output.
    init(_ path: String, isJSON: Bool) throws {
        let ending = (path as NSString).pathExtension.lowercased()
        guard !Self.otherPictures.contains(ending) else {
            throw ValidationError(
                "--plot writes SVG: give a name that ends in .svg, not .\(ending)")
        }
        file = try OutputFile(path)
        try file.takeOutput(for: "--plot", isJSON: isJSON)
        if !file.isStandardOutput {
            try AtomicFile.checkCreation(file.url.path)
            try Self.check(file.url.path)
        }
    }

    private static let otherPictures: Set = [
        "avif", "bmp", "eps", "gif", "heic", "ico", "jpeg", "jpg",
        "pdf", "png", "ps", "tif", "tiff", "webp",
    ]

    private static func check(_ path: String) throws(BitNetError) {
        try AtomicFile.check(path, beginsWith: Array("<svg".utf8), what: "plot")
    }

    /// Writes the plot, whole or not at all. Replaces no file but a plot.
    func write(_ svg: String) throws(BitNetError) {
        guard !file.isStandardOutput else { return try Terminal.writeOutput(svg) }
        try Self.check(file.url.path)
        let file = try AtomicFile(replacing: file.url.path)
        try file.write(ByteRegion(Array(svg.utf8)))
        try file.commit()
    }
}
