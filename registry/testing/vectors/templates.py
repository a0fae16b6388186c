"""Chat templates: of the kinds that model families have, and such that reach for more."""

from __future__ import annotations

from registry.testing.vectors import Vector

_CHATML = """
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message.content | trim + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
_ALTERNATING = """
{%- if messages[0]['role'] == 'system' %}
{%- set system = messages[0]['content'] %}{%- set rest = messages[1:] %}
{%- else %}{%- set system = '' %}{%- set rest = messages %}{%- endif %}
{{- bos_token }}
{%- for message in rest %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Roles have to alternate: user, assistant, user, and so on') }}
{%- endif %}
{%- if message['role'] == 'user' %}
{%- if loop.first and system %}{{- '[INST] <<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' }}
{%- else %}{{- '[INST] ' }}{%- endif %}
{{- message['content'].strip() + ' [/INST]' }}
{%- else %}{{- ' ' ~ message['content'] | trim ~ eos_token }}{%- endif %}
{%- endfor %}
"""
_TOOLS = """
{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}
{%- if not date_string is defined %}
{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}
{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}
{%- if builtin_tools is defined %}
{{- 'Tools: ' + builtin_tools | reject('equalto', 'code_interpreter') | join(', ') }}{%- endif %}
{%- for t in tools %}{{- t | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}
{%- for message in messages %}
{%- if 'tool_calls' in message %}
{%- if not message.tool_calls | length == 1 %}{{- raise_exception('One call at once') }}{%- endif %}
{%- set call = message.tool_calls[0].function %}
{%- for name, value in call.arguments | items %}
{{- name + '="' + value + '"' }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}
{{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- '}' }}
{%- elif message.role in ['tool', 'ipython'] %}
{%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}
{%- else %}{{- message.content }}{%- endif %}
{%- endif %}{%- endfor %}
"""
_THINKING = """
{%- set ns = namespace(multi_step=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
{%- set index = (messages | length - 1) - loop.index0 %}
{%- if ns.multi_step and message.role == 'user' and message.content is string
  and not (message.content.startswith('<tool_response>') and message.content.endswith('</x>')) %}
{%- set ns.multi_step = false %}{%- set ns.last = index %}{%- endif %}{%- endfor %}
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{%- set content = message.content %}{%- set reasoning = '' %}
{%- if message.reasoning_content is defined and message.reasoning_content is not none %}
{%- set reasoning = message.reasoning_content %}
{%- elif '</think>' in content %}
{%- set content = content.split('</think>')[-1].lstrip('\\n') %}
{%- set reasoning = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1] %}
{%- endif %}
{%- if loop.index0 > ns.last and (loop.last or reasoning) %}
{{- reasoning.strip('\\n') }}{%- endif %}
{%- generation %}{{- content }}{%- endgeneration %}
{%- elif loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- message.content }}
{%- endif %}{%- endfor %}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>' }}{%- endif %}
"""
_MACROS = """
{%- macro kind(spec) %}
{%- set names = {'string': 'str', 'number': 'float', 'boolean': 'bool'} %}
{%- if names[spec.type] is defined %}{{- names[spec.type] }}
{%- elif spec.type == 'array' %}{{- 'list[' + kind(spec['items']) + ']' }}
{%- elif spec.enum is defined %}{{- spec.enum | map('tojson') | join('|') }}
{%- elif spec.type is iterable and spec.type is not string %}
{%- for each in spec.type %}{{- kind({'type': each}) }}{%- if not loop.last %}{{- ',' }}{%- endif %}
{%- endfor %}{%- else %}{{- 'Any' }}{%- endif %}{%- endmacro %}
{%- macro listed(properties, required) %}
{%- for name, field in properties.items() %}
{{- '  ' ~ name ~ ('' if name in required else '?') ~ ': ' ~ kind(properties[name]) }}
{%- endfor %}{%- endmacro %}
{%- for tool in tools %}{%- set tool = tool.function %}
{{- 'type ' + tool.name + ' = (_: {\\n' }}
{{- listed(tool.parameters.properties, tool.parameters.required) }}
{%- for key in tool.parameters.properties | dictsort %}{{- tool.parameters[key[0]] }}{%- endfor %}
{%- endfor %}
"""
_LISTED = """
{%- set roles = {'user': 'User', 'assistant': 'Falcon'} %}
{%- set users = messages | selectattr('role', 'equalto', 'user') | list %}
{%- set last = (messages | map(attribute='role') | list)[-1] %}
{%- set seen = [] %}{%- set ns = namespace(found=false, text='', count=0) %}
{%- for message in messages if message.role != 'system' %}
{%- set ns.count = ns.count + 1 %}{%- set ns.text = ns.text ~ message.content %}
{%- if loop.previtem is defined and loop.previtem.role == message.role %}{%- continue %}{%- endif %}
{%- set _ = seen.append(message.role) if seen is defined else 0 %}
{{- roles[message['role']] | upper ~ ': ' ~ message.content.replace('\\r\\n', '\\n') | trim }}
{{- '{}: {:.2f}'.format(message.role, 1.5) }}{{- '%s' % message.role }}
{%- for part in message.content %}{%- if part['type'] == 'image' %}{{- '<image>' }}
{%- elif part.type == 'text' %}{{- part['text'] }}{%- endif %}{%- endfor %}{%- endfor %}
{%- for i in range(0, 3) %}{{- messages[i]['role'] }}{%- endfor %}
{{- messages[-1]['content'][:10] }}{{- documents | default([]) | tojson }}
"""
_QUEUED = """
{%- set queue = namespace(ids=[]) %}{%- set seen = namespace(last=-1) %}
{%- for i in range(messages | length - 1, -1, -1) %}
{%- if messages[i]['role'] == 'assistant' and seen.last < 0 %}{%- set seen.last = loop.index0 %}
{%- endif %}{%- endfor %}
{%- set asked = messages[seen.last].tool_calls | length %}
{%- for message in messages %}
{%- if message.role == 'tool' and queue.ids %}{{- queue.ids.pop(0) }}{%- endif %}
{%- for call in message.tool_calls %}
{%- set _ = queue.ids.append(call.name ~ ':' ~ loop.index) %}
{%- set given = call.arguments %}
{%- if given is string %}{%- set given = given | from_json %}{%- endif %}
{%- for name, value in given.items() %}{{- name ~ '=' ~ value | tojson }}{%- endfor %}
{%- endfor %}{%- endfor %}
"""
_GROUPED = """
{%- set seen = namespace(groups=[]) %}
{%- for tool in tools %}{%- set group = tool.name.split('.')[0] %}
{%- if group not in seen.groups %}{%- set seen.groups = seen.groups + [group] %}{%- endif %}
{%- endfor %}
{%- for group in seen.groups %}{{- about[group] if group in about else '' }}{%- endfor %}
"""
_LISTED_MACROS = """
{%- macro typed(functions, namespace='functions') %}{{- 'namespace ' + namespace }}{%- endmacro %}
{%- macro known(given, field=none) %}{%- if field in given %}{{- given[field] }}{%- endif %}
{%- endmacro %}{{- typed(tools) }}{{- known(messages[0], 'content') }}
{%- macro head(knobs) %}{{- '<head>' ~ knobs }}{%- endmacro %}
{%- macro body(documents, citations) %}{{- documents | tojson ~ citations }}{%- endmacro %}
{%- set calls = [] %}{%- set given = [] %}
{%- if knobs %}{%- set calls = calls + [head] %}{%- set given = given + [[knobs]] %}{%- endif %}
{%- if documents %}{%- set calls = calls + [body] %}
{%- set given = given + [[documents, true]] %}{%- endif %}
{%- for i in range(calls | length) %}{{- calls[i](*given[i]) }}{%- endfor %}
"""
_SOUND = {
    "queued": _QUEUED,
    "grouped": _GROUPED,
    "listed-macros": _LISTED_MACROS,
    "chatml": _CHATML,
    "alternating": _ALTERNATING,
    "tools": _TOOLS,
    "thinking": _THINKING,
    "macros": _MACROS,
    "listed": _LISTED,
}
_BAD = {
    "broken": ("1", "{% for %}"),
    "not-jinja": ("1", "{{ a b }}"),
    "deep-brackets": ("1", "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"),
    "deep-blocks": ("1", "{% if a %}" * 500 + "{% endif %}" * 500),
    "long-sum": ("1", "{{ a" + " + a" * 5000 + " }}"),
    "many-nots": ("1", "{{ " + "not " * 5000 + "a }}"),
    "many-names": ("1", "".join(f"{{% set a{n} = b %}}" for n in range(600))),
    "many-nodes": ("1", "{{ a }}" * 40_000),
    "many-digits": ("1", "{{ " + "9" * 5000 + " }}"),
    "include": ("2", "{% include 'other' %}"),
    "import": ("2", "{% import 'other' as other %}"),
    "from-import": ("2", "{% from 'other' import name %}"),
    "extends": ("2", "{% extends 'other' %}"),
    "power": ("2", "{{ 9 ** 9 }}"),
    "class": ("3", "{{ ''.__class__ }}"),
    "class-item": ("3", "{{ ''['__class__'] }}"),
    "class-escaped": ("3", "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}"),
    "class-joined-literals": ("3", "{{ ''['__cla' 'ss__'] }}"),
    "globals": ("3", "{{ range(3).__init__.__globals__ }}"),
    "lipsum": ("3", "{{ lipsum }}"),
    "cycler": ("3", "{{ cycler }}"),
    "self": ("3", "{{ self }}"),
    "frame": ("3", "{{ (messages | map('upper')).gi_frame }}"),
    "map-attribute": ("3", "{{ messages | map(attribute='__class__') | list }}"),
    "map-part": ("3", "{{ messages | map(attribute='role.__class__') | list }}"),
    "select-attribute": ("3", "{{ messages | selectattr('__class__') | list }}"),
    "sort-attribute": ("3", "{{ messages | sort(false, false, '__class__') }}"),
    "hidden-keyword": ("3", "{{ dict(__class__=1) }}"),
    "computed-key": ("4", "{{ ''['_' ~ '_class_' ~ '_'] }}"),
    "assigned-key": ("4", "{% set k = ('_' * 2) + 'class' %}{{ ''[k] }}"),
    "looped-key": ("4", "{% for k in ['__class__'] %}{{ ''[k] }}{% endfor %}"),
    "previous-key": ("4", "{% for k in ['__class__', 1] %}{{ ''[loop.previtem] }}{% endfor %}"),
    "formatted-key": ("4", "{{ ''['%s%sclass'|format('_', '_')] }}"),
    "replaced-key": ("4", "{{ ''['xxclassxx'.replace('x', '_')] }}"),
    "joined-key": ("4", "{{ ''[['_', '_class_', '_'] | join] }}"),
    "block-key": ("4", "{% set k %}__class__{% endset %}{{ ''[k] }}"),
    "macro-key": ("4", "{% macro m() %}__class__{% endmacro %}{{ ''[m()] }}"),
    "macro-argument": ("4", "{% macro m(k) %}{{ ''[k] }}{% endmacro %}{{ m('__class__') }}"),
    "further-argument": (
        "4",
        "{% macro m() %}{{ ''[varargs[0]] }}{% endmacro %}{{ m('__class__') }}",
    ),
    "namespace-key": ("4", "{% set n = namespace(k='__class__') %}{{ ''[n.k] }}"),
    "namespace-item": ("4", "{% set n = namespace(k='__class__') %}{{ ''[n['k']] }}"),
    "namespace-map": ("4", "{% set n = namespace({'k': '__class__'}) %}{{ ''[n.k] }}"),
    "appended-key": (
        "4",
        "{% set a = [] %}{% set b = a %}{% set _ = b.append('__class__') %}{{ ''[a[0]] }}",
    ),
    "sliced-key": ("4", "{{ ''['x__class__'[1:]] }}"),
    "cut-key": ("4", "{{ ''['xgi_frame'[1:]] }}"),
    "stripped-key": ("4", "{{ ''['xgi_framex'.strip('x')] }}"),
    "trimmed-key": ("4", "{{ ''['xgi_framex' | trim('x')] }}"),
    "lowered-key": ("4", "{{ ''['GI_FRAME' | lower] }}"),
    "split-key": ("4", "{{ ''['xf_globals'.split('x')[-1]] }}"),
    "split-assigned": (
        "4",
        "{% set l = ['x_os'] %}{% for p in l %}{{ ''[p.split('x')[1]] }}{% endfor %}",
    ),
    "split-namespace": ("4", "{% set n = namespace(a='x_os') %}{{ ''[n.a.split('x')[1]] }}"),
    "split-default": ("4", "{{ ''[messages.get('a', 'x_os').split('x')[1]] }}"),
    "recursive-key": (
        "4",
        "{% for k in messages recursive %}{{ ''[k] }}{{ loop(['_' ~ '_class_']) }}{% endfor %}",
    ),
    "token-key": ("4", "{{ ''[bos_token] }}"),
    "token-attribute": ("4", "{{ ''[eos_token[1:]] }}"),
    "range-outside": ("4", "{% for bos_token in range(3) %}{% endfor %}{{ ''[bos_token] }}"),
    "list-parameter": (
        "4",
        "{% macro m(k) %}{{ ''[k] }}{% endmacro %}{% set l = [m] %}{{ l[0](*messages) }}",
    ),
    "added-key": ("4", "{% for k in ['_' ~ '_x'] + ['a'] %}{{ ''[k] }}{% endfor %}"),
    "percent-key": ("4", "{{ ''['%c%cclass' % (95, 95)] }}"),
    "with-key": ("4", "{% with k = '__class__' %}{{ ''[k] }}{% endwith %}"),
    "computed-attribute": ("4", "{{ messages | map(attribute='_' ~ '_class__') | list }}"),
    "attr": ("5", "{{ '' | attr('a') }}"),
    "map-attr": ("5", "{{ messages | map('attr', 'a') | list }}"),
    "map-computed": ("5", "{{ messages | map('at' ~ 'tr', 'a') | list }}"),
    "filter-block": ("5", "{% filter attr('a') %}x{% endfilter %}"),
    "unknown-filter": ("5", "{{ messages | pprint }}"),
    "unknown-test": ("5", "{{ messages is filter }}"),
    "test-by-name": ("5", "{{ messages | select('fil' ~ 'ter') | list }}"),
    "starred": ("5", "{{ messages | map(**{'attribute': 'a'}) | list }}"),
    "unknown-function": ("6", "{{ open('x') }}"),
    "unknown-method": ("6", "{{ messages.system('x') }}"),
    "alias": ("6", "{% set r = raise_exception %}{{ r }}"),
    "overwritten": ("6", "{% set range = messages %}{{ range(3) }}"),
    "listed-functions": ("6", "{{ [range][0](3) }}"),
    "listed-others": (
        "6",
        "{% macro m() %}{% endmacro %}{% set l = [m] %}{% set l = l + messages %}{{ l[0](1) }}",
    ),
    "overwritten-macro": (
        "6",
        "{% macro m() %}{% endmacro %}{% set m = messages %}{% set l = [m] %}{{ l[0](1) }}",
    ),
    "listed-starred": (
        "6",
        "{% macro m() %}{% endmacro %}{% set l = [m] %}{{ l[0](**messages) }}",
    ),
    "called-item": ("6", "{{ messages['system']('x') }}"),
    "called-result": ("6", "{{ range(1)(2) }}"),
    "starred-call": ("6", "{{ dict(**messages) }}"),
    "call-block": ("6", "{% call messages.popen('x') %}{% endcall %}"),
    "parameter-called": ("6", "{% macro m(f) %}{{ f(1) }}{% endmacro %}"),
    "endless-range": ("8", "{% for i in range(99999999999) %}x{% endfor %}"),
    "loops-in-loops": (
        "8",
        "{% for i in range(9999) %}{% for j in range(0, 9999, 2) %}x{% endfor %}{% endfor %}",
    ),
    "endless-macro": ("8", "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}"),
    "long-text": ("8", "{{ 'x' * 9999999999 }}"),
    "huge-float": ("8", "{{ 1e308 }}"),
    "wide-percent": ("8", "{{ '%9999999999d' % 1 }}"),
    "wide-format": ("8", "{{ '{:9999999999}'.format(1) }}"),
    "wide-filter": ("8", "{{ '%9999999999d' | format(1) }}"),
    "format-attribute": ("7", "{{ '{0.real}'.format(messages) }}"),
    "format-item": ("7", "{{ '{0[a]}'.format(messages) }}"),
    "format-nested": ("7", "{{ '{:{}}'.format(messages, 1) }}"),
    "format-of-variable": ("7", "{{ messages.format(1) }}"),
    "format-filter-of-variable": ("7", "{{ messages | format(1) }}"),
}

VECTORS = (
    *(
        Vector(name=name, path="chat_template.jinja", data=text.encode())
        for name, text in _SOUND.items()
    ),
    *(
        Vector(name=name, path="chat_template.jinja", data=text.encode(), rule=f"TEMPLATE-{rule}")
        for name, (rule, text) in _BAD.items()
    ),
    # Behind so much that its first bytes do not tell.
    Vector(
        name="pickle",
        path="t.jinja",
        data=b"V" + b"a" * 5000 + b"\n0cos\nsystem\n(S'id'\ntR.",
        rule="TEMPLATE-1",
    ),
    Vector(name="short-ending", path="t.j2", data=b"{{ ''.__class__ }}", rule="TEMPLATE-3"),
    Vector(name="no-utf-8", path="t.jinja", data=b"a" * 5000 + b"\xff", rule="TEMPLATE-1"),
)
