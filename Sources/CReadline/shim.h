// GNU readline as mqshell's line editor uses it. Its headers want stdio.h before them.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <readline/readline.h>
#include <readline/history.h>

// Its settings are variables, which Swift does not let a program share among threads; here they are functions.

static inline void setUpReadline(const char *name, rl_completion_func_t *complete) {
  rl_readline_name = name;
  rl_attempted_completion_function = complete;
  rl_completer_word_break_characters = " \t;";
  rl_basic_word_break_characters = " \t;";
  rl_completer_quote_characters = "";
  // Signals are the program's own business.
  rl_catch_signals = 0;
  rl_catch_sigwinch = 0;
  // To ask, readline would wait for a key by itself, and nothing else would be served.
  rl_completion_query_items = -1;
  rl_variable_bind("page-completions", "off");
  // A pasted line end must not run what is still to be looked at; it also keeps pasted text from being commands of the editor.
  rl_variable_bind("enable-bracketed-paste", "on");
}

static inline const char *readlineBuffer(void) { return rl_line_buffer; }

static inline _Bool isReadlineSearching(void) { return RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH) != 0; }
static inline int firstHistoryNumber(void) { return history_base; }

// What ends a completed word, and whether files may be tried when the program has no completion.
static inline void setCompletionEnd(int character) { rl_completion_append_character = character; }
static inline void endCompletion(void) { rl_attempted_completion_over = 1; }
static inline void completeFileNames(void) { rl_filename_completion_desired = 1; }

// Takes the line that is being edited off the screen, whatever rows it fills. What readline has not written yet must not
// come behind what is written next.
static inline void hideReadline(void) {
  rl_clear_visible_line();
  fflush(rl_outstream);
}

// Puts it back below.
static inline void showReadline(void) {
  rl_on_new_line();
  rl_redisplay();
  fflush(rl_outstream);
}

// Hands the terminal back for a while, and takes it again with the line as it was.
static inline void leaveReadline(void) {
  rl_crlf();
  fflush(rl_outstream);
  rl_deprep_terminal();
}
static inline void resumeReadline(void) {
  rl_prep_terminal(1);
  rl_on_new_line();
  rl_redisplay();
  fflush(rl_outstream);
}

// Gives the line up, in whatever state of editing, searching or completing it is.
static inline void discardReadline(void) {
  rl_free_line_state();
  rl_callback_sigcleanup();
  rl_point = rl_end;
  rl_redisplay();
  fputs("^C", rl_outstream);
  rl_crlf();
  fflush(rl_outstream);
}
