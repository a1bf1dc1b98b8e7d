// SPDX-License-Identifier: Apache-2.0

#include "controller/diagnostic.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

TEST(Diagnostic, ShowsTheLineACaretAndWhatIsPossible) {
  const SourceText source("file", "one\n-A FOO -s x\n");
  EXPECT_EQ(
      Format(source, Diagnostic{Severity::kError, {2, 3, 3}, "no", "bar"}),
      "file:2:4: error: no\n"
      "    -A FOO -s x\n"
      "       ^~~\n"
      "    bar\n");
}

TEST(Diagnostic, LeavesOutWhatIsPossibleIfThereIsNothingToSay) {
  const SourceText source("file", "x");
  EXPECT_EQ(Format(source, Diagnostic{Severity::kWarning, {1, 0, 1}, "no", ""}),
            "file:1:1: warning: no\n    x\n    ^\n");
}

TEST(Diagnostic, CountsCharactersNotBytes) {
  const SourceText source("f", "\xc3\xa9\xc3\xa9 \xc3\xbc!");
  EXPECT_EQ(Format(source, Diagnostic{Severity::kError, {1, 5, 3}, "no", ""}),
            "f:1:4: error: no\n"
            "    \xc3\xa9\xc3\xa9 \xc3\xbc!\n"
            "       ^~\n");
}

TEST(Diagnostic, KeepsTabsBeforeTheCaret) {
  const SourceText source("f", "\ta\tb");
  EXPECT_EQ(Format(source, Diagnostic{Severity::kError, {1, 3, 1}, "no", ""}),
            "f:1:4: error: no\n    \ta\tb\n    \t \t^\n");
}

TEST(Diagnostic, PointsBehindTheEndOfALine) {
  const SourceText source("f", "ab");
  EXPECT_EQ(Format(source, Diagnostic{Severity::kError, {1, 2, 1}, "no", ""}),
            "f:1:3: error: no\n    ab\n      ^\n");
}

TEST(Diagnostics, AreSortedByPlace) {
  const SourceText source("f", "abc\nd");
  Diagnostics diagnostics;
  diagnostics.Error({2, 0, 1}, "third");
  diagnostics.Warning({1, 2, 1}, "second");
  diagnostics.Error({1, 0, 1}, "first");
  ASSERT_EQ(diagnostics.Sorted().size(), 3u);
  EXPECT_EQ(diagnostics.Sorted()[0].what, "first");
  EXPECT_EQ(diagnostics.Sorted()[1].what, "second");
  EXPECT_EQ(diagnostics.Sorted()[2].what, "third");
}

TEST(Diagnostics, OfWarningsAloneAreNoErrors) {
  Diagnostics diagnostics;
  diagnostics.Warning({1, 0, 1}, "hm");
  EXPECT_FALSE(diagnostics.HasErrors());
  diagnostics.Error({1, 0, 1}, "no");
  EXPECT_TRUE(diagnostics.HasErrors());
}

TEST(Nearest, FindsLettersMissingTooMuchWrongOrSwapped) {
  const std::vector<std::string_view> names = {"--sport", "--dport", "--source",
                                               "--target"};
  EXPECT_EQ(Nearest("--dprot", names), "--dport");
  EXPECT_EQ(Nearest("--dpor", names), "--dport");
  EXPECT_EQ(Nearest("--ssource", names), "--source");
  EXPECT_EQ(Nearest("--Target", names), "--target");
}

TEST(Nearest, FindsNothingForAWordThatIsFarFromAll) {
  EXPECT_EQ(Nearest("--log-prefix", {"--sport", "--dport"}), "");
  EXPECT_EQ(Nearest("LOG", {"RMIRROR", "ACCEPT", "DROP", "RETURN"}), "");
}

}  // namespace
}  // namespace ovs_rmirror
