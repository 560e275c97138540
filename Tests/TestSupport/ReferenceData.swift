public import Foundation

/// Reference checkpoints and expected values, which live beside the repository, not in it.
public enum ReferenceData {
    /// The package's root folder.
    public static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// `BITNETKIT_REFERENCE`, else `../shared/reference` beside the package, if it is there.
    public static let root: URL? = {
        let named = ProcessInfo.processInfo.environment["BITNETKIT_REFERENCE"]
        let url =
            named.map { URL(fileURLWithPath: $0) }
            ?? packageRoot.deletingLastPathComponent().appendingPathComponent("shared/reference")
        if FileManager.default.fileExists(atPath: url.path) { return url }
        print("reference data not found at \(url.path): the tests that need it are skipped")
        return nil
    }()

    /// Whether the reference data is there; `.enabled(if: ReferenceData.isAvailable)`.
    public static var isAvailable: Bool { root != nil }

    /// A file or folder of the reference data, if it is there.
    public static func url(_ path: String) -> URL? {
        guard let url = root?.appendingPathComponent(path),
            FileManager.default.fileExists(atPath: url.path)
        else { return nil }
        return url
    }
}
