# A table of functions that changes. Its address is in a variable, put there when the program ran.
	.section .data.rel.ro.local.ops,"aw",@progbits
	.align 8
	.type	ops, @object
	.size	ops, 16
ops:
	.quad	one
	.quad	two

	.section .bss.held,"aw",@nobits
	.align 8
	.type	held, @object
	.size	held, 8
held:
	.zero	8

	.section .text.register_ops,"ax",@progbits
	.globl	register_ops
	.type	register_ops, @function
register_ops:
	.cfi_startproc
	leaq	ops(%rip), %rax
	movq	%rax, held(%rip)
	ret
	.cfi_endproc
	.size	register_ops, .-register_ops

	.section .text.one,"ax",@progbits
	.type	one, @function
one:
	.cfi_startproc
	leal	3(%rdi,%rdi,2), %eax
	leal	9(%rax,%rax,4), %eax
	ret
	.cfi_endproc
	.size	one, .-one

	.section .text.two,"ax",@progbits
	.type	two, @function
two:
	.cfi_startproc
	leal	4(%rdi,%rdi,2), %eax
	leal	9(%rax,%rax,4), %eax
	ret
	.cfi_endproc
	.size	two, .-two

